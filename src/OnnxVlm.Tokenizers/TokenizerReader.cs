using System.Text.Json;
using OnnxVlm.Tokenizers.Added;
using OnnxVlm.Tokenizers.Decoding;
using OnnxVlm.Tokenizers.Models;
using OnnxVlm.Tokenizers.Normalizers;
using OnnxVlm.Tokenizers.PreTokenizers;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers;

/// <summary>
/// Reads the parts of a tokenizer that <c>tokenizer.json</c> describes. Every setting is followed or refused by name. Post-processors, padding and
/// truncation are not part of encoding a text.
/// </summary>
internal sealed class TokenizerReader
{
    private TokenizerReader(JsonKey root)
    {
        Normalizers = NormalizerReader.Read(root.Optional("normalizer"));
        PreTokenizers = PreTokenizerReader.Read(root.Optional("pre_tokenizer"));
        Decoder = TokenDecoder.Read(root.Optional("decoder"), PreTokenizers.Exists(step => step is ByteLevel));
        List<AddedToken> added = ReadAddedTokens(root.Optional("added_tokens"));
        Model = ReadModel(root.Required("model"), added);
    }

    public List<INormalizer> Normalizers { get; }

    public List<IPreTokenizer> PreTokenizers { get; }

    public TokenDecoder Decoder { get; }

    public ITokenModel Model { get; }

    /// <summary>The added tokens in the order of the file, with the ids that they are encoded as.</summary>
    public List<AddedToken> AddedTokens { get; private set; } = [];

    /// <summary>Reads a file's content.</summary>
    /// <param name="json">The content.</param>
    /// <param name="file">The file, as messages name it.</param>
    /// <exception cref="TokenizerException">The content is damaged, or has a setting that cannot be followed.</exception>
    public static TokenizerReader Read(ReadOnlyMemory<byte> json, string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json);
            return new TokenizerReader(new JsonKey(file, "", document.RootElement));
        }
        catch (JsonException exception)
        {
            throw new TokenizerException(
                $"{file}: not valid JSON (line {exception.LineNumber + 1}, " +
                $"byte {exception.BytePositionInLine}); download the checkpoint or export the model again.", innerException: exception);
        }
    }

    private static List<AddedToken> ReadAddedTokens(JsonKey? key)
    {
        List<AddedToken> tokens = [];
        Dictionary<string, AddedToken> known = [];
        foreach (JsonKey item in key?.Items() ?? [])
        {
            AddedToken token = AddedToken.Read(item);
            if (known.TryAdd(token.Content, token))
                tokens.Add(token);
            else if (known[token.Content] != token)
                throw item.Required("content").Bad("every added token once");
        }
        return tokens;
    }

    private ITokenModel ReadModel(JsonKey key, List<AddedToken> added)
    {
        JsonKey? type = key.Optional("type");
        string name = type?.Text() ?? (key.Required("vocab").Kind == JsonValueKind.Array ? "Unigram" : "BPE");
        switch (name)
        {
            case "BPE":
                BpeSettings settings = BpeSettings.Read(key);
                AddedTokens = [.. added.Select(token => settings.Vocabulary.TryGetValue(token.Content, out int id) ? token with { Id = id } : token)];
                return new BpeModel(settings, AddedTokens.Where(token => token.IsSpecial).Select(token => token.Id));
            case "Unigram":
                UnigramModel model = new(key);
                AddedTokens = [.. added.Select(token => token with { Id = model.Find(token.Content) ?? token.Id })];
                foreach (AddedToken token in AddedTokens.Where(token => token.IsSpecial))
                    model.Reserve(token.Id);
                return model;
            default:
                throw type!.Value.Unsupported("BPE and Unigram");
        }
    }
}
