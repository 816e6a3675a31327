using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Prompting;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Export.HuggingFace;

/// <summary>
/// The tokenizer of a checkpoint: <c>tokenizer.json</c> with <c>tokenizer_config.json</c>. The files are copied after a check that a loaded model
/// will follow them exactly.
/// </summary>
internal sealed class TokenizerFile
{
    private const string Tokenizer = "tokenizer.json";
    private const string Settings = "tokenizer_config.json";
    private const string Template = "chat_template.jinja";
    private const string ProcessorTemplate = "chat_template.json";
    private const long MaxBytes = 256 << 20;
    private const int MaxDepth = 64;
    private static readonly string[] Optional = ["special_tokens_map.json", AddedTokensFile.FileName, Template, ProcessorTemplate];

    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, WriteIndented = true, NewLine = "\n" };

    private readonly string _folder;
    private readonly JsonObject _tokenizer;
    private readonly HuggingFaceTokenizer _reader;
    private readonly JsonObject _settings;
    private readonly bool _isGenerated;

    private TokenizerFile(string folder, JsonObject tokenizer, JsonObject settings, bool isGenerated = false)
    {
        string path = Path.Combine(folder, Tokenizer);
        _folder = folder;
        _isGenerated = isGenerated;
        _reader = ModelTokenizer.Parse(isGenerated ? Encoding.UTF8.GetBytes(tokenizer.ToJsonString(Json)) : File.ReadAllBytes(path), path).Inner;
        _tokenizer = tokenizer;
        _settings = settings;
    }

    /// <summary>Reads the tokenizer of a checkpoint folder; in place of tokenizer.json there may be <see cref="BpeFiles"/>.</summary>
    /// <returns>The tokenizer, or null where the folder has none of the files: bare weights.</returns>
    /// <exception cref="ModelLoadException">One of the two files is missing or damaged; the message names the file and the key.</exception>
    /// <exception cref="UnsupportedModelException">The tokenizer has a setting that cannot be followed exactly; the message names the key.</exception>
    public static TokenizerFile? Load(string folder)
    {
        if (!File.Exists(Path.Combine(folder, Tokenizer)) && !File.Exists(Path.Combine(folder, Settings)))
            return null;
        JsonObject settings = Read(folder, Settings);

        return !File.Exists(Path.Combine(folder, Tokenizer)) && BpeFiles.In(folder)
            ? new TokenizerFile(folder, BpeFiles.Read(folder, settings), settings, isGenerated: true)
            : new TokenizerFile(folder, Read(folder, Tokenizer), settings);
    }

    /// <summary>
    /// Reads the tokenizer of a configuration folder without weights. Where there is only tokenizer_config.json, it makes a byte-level tokenizer
    /// without merges: the tokens of <c>added_tokens_decoder</c>, and the 256 bytes at the lowest free ids.
    /// </summary>
    /// <exception cref="ModelLoadException">A file is not a JSON object, or tokenizer_config.json names no tokens.</exception>
    public static TokenizerFile? LoadOrGenerate(string folder)
    {
        if (File.Exists(Path.Combine(folder, Tokenizer)) || BpeFiles.In(folder) || !File.Exists(Path.Combine(folder, Settings)))
            return Load(folder);
        JsonObject settings = Read(folder, Settings);
        try
        {
            return new TokenizerFile(folder, ByteTokenizer.Create(settings["added_tokens_decoder"]!.AsObject()), settings, isGenerated: true);
        }
        catch (Exception exception) when (exception is InvalidOperationException or FormatException or NullReferenceException)
        {
            throw new ModelLoadException(
                $"{Path.Combine(folder, Settings)}: expected an object added_tokens_decoder of token ids; add it, or a tokenizer.json", exception);
        }
    }

    /// <summary>The id of a token of the vocabulary, or of an added token.</summary>
    /// <param name="text">The token as it is spelled in the file.</param>
    /// <returns>The id, or null where there is no such token.</returns>
    public int? Find(string text) => _reader.IdOf(text) ?? AddedTokensFile.Find(_folder, text);

    /// <summary>Where the chat template of the model folder comes from.</summary>
    /// <param name="standard">The architecture's own; null where it has none.</param>
    /// <exception cref="ModelLoadException">The checkpoint's template cannot be read, or it has several and none is the default; the message
    /// says what to do.</exception>
    public TemplateOrigin OriginOfTemplate(DefaultChatTemplate? standard)
    {
        if (standard is { ReplacesTemplate: true })
            return TemplateOrigin.Architecture;
        return ChatTemplate.TryLoad(_folder) is not null ? TemplateOrigin.Checkpoint : standard is not null ? TemplateOrigin.Architecture : TemplateOrigin.None;
    }

    /// <summary>
    /// Writes the files of the tokenizer into a model folder, byte for byte. Adds the architecture's own chat template where the checkpoint has none,
    /// or one that is not this model's.
    /// </summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="standard">The architecture's own template; null where it has none.</param>
    public void Write(string folder, DefaultChatTemplate? standard)
    {
        bool addsTemplate = OriginOfTemplate(standard) == TemplateOrigin.Architecture;
        foreach (string name in Optional.Where(name => File.Exists(Path.Combine(_folder, name)) && !(addsTemplate && name == Template)))
            File.Copy(Path.Combine(_folder, name), Path.Combine(folder, name));
        File.Copy(Path.Combine(_folder, Settings), Path.Combine(folder, Settings));
        if (addsTemplate)
            File.WriteAllText(Path.Combine(folder, Template), standard!.Text);
        string[] missing = addsTemplate ? [.. standard!.Tokens.Where(token => Find(token) is not null && !IsAdded(token))] : [];
        if (missing.Length == 0 && !_isGenerated)
        {
            File.Copy(Path.Combine(_folder, Tokenizer), Path.Combine(folder, Tokenizer));
            return;
        }
        JsonObject tokenizer = _tokenizer.DeepClone().AsObject();
        JsonArray added = tokenizer["added_tokens"]?.AsArray() ?? [];
        tokenizer["added_tokens"] = added;
        foreach (string token in missing)
        {
            JsonNode entry = new JsonObject
            {
                ["id"] = Find(token), ["content"] = token, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false,
                ["special"] = true,
            };
            added.Add(entry);
        }
        File.WriteAllText(Path.Combine(folder, Tokenizer), tokenizer.ToJsonString(Json) + "\n");
    }

    private bool IsAdded(string token) => _tokenizer["added_tokens"] is JsonArray added && added.Any(known => (string?)known?["content"] == token);

    private static JsonObject Read(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
            throw new ModelLoadException($"{path}: missing; give the folder of a complete Hugging Face checkpoint");
        return JsonFile.ReadNode(path, MaxBytes, MaxDepth);
    }
}
