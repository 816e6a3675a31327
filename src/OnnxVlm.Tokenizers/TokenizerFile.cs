using System.Text.Json;
using System.Text.RegularExpressions;

namespace OnnxVlm.Tokenizers;

/// <summary>What a <c>tokenizer.json</c> with a byte-level BPE says. Every setting is either taken over or refused.</summary>
internal sealed record TokenizerFile(
    string Path,
    IReadOnlyDictionary<string, int> Vocabulary,
    IReadOnlyList<string> Merges,
    IReadOnlyDictionary<string, int> AddedTokens,
    Regex Pattern,
    bool NormalizesToNfc)
{
    // What GPT-2's pre-tokenizer splits at (openai/gpt-2, src/encoder.py); tokenizer.json names it by "use_regex".
    private const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>Reads the file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelLoadException">The file is missing or damaged.</exception>
    /// <exception cref="UnsupportedModelException">A setting cannot be followed.</exception>
    public static TokenizerFile Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument document = JsonDocument.Parse(stream);
            JsonElement root = document.RootElement;
            JsonElement model = root.GetProperty("model");
            CheckModel(path, model);
            return new TokenizerFile(
                path,
                model.GetProperty("vocab").EnumerateObject().ToDictionary(token => token.Name, token => token.Value.GetInt32()),
                [.. model.GetProperty("merges").EnumerateArray().Select(ReadMerge)],
                ReadAddedTokens(path, root),
                ReadPattern(path, root),
                ReadNormalizer(path, root));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException
            or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new ModelLoadException($"{path} could not be read as a tokenizer: {e.Message} Export or copy the model folder again.", e);
        }
    }

    private static void CheckModel(string path, JsonElement model)
    {
        Expect(path, "model.type", model.GetProperty("type").GetString() ?? "null", "BPE");
        foreach (string key in new[] { "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (model.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null && value.GetRawText() != "\"\"")
                throw Unsupported(path, $"model.{key}", value.GetRawText(), "null");
        }
        foreach (string key in new[] { "fuse_unk", "byte_fallback", "ignore_merges" })
        {
            if (model.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.True)
                throw Unsupported(path, $"model.{key}", "true", "false");
        }
    }

    private static string ReadMerge(JsonElement merge) =>
        merge.ValueKind == JsonValueKind.Array ? string.Join(' ', merge.EnumerateArray().Select(part => part.GetString())) : merge.GetString()!;

    private static Dictionary<string, int> ReadAddedTokens(string path, JsonElement root)
    {
        Dictionary<string, int> tokens = [];
        if (!root.TryGetProperty("added_tokens", out JsonElement list) || list.ValueKind != JsonValueKind.Array)
            return tokens;
        foreach (JsonElement token in list.EnumerateArray())
        {
            string text = token.GetProperty("content").GetString()!;
            foreach (string key in new[] { "single_word", "lstrip", "rstrip" })
            {
                if (token.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.True)
                    throw Unsupported(path, $"added_tokens.{text}.{key}", "true", "false");
            }
            tokens[text] = token.GetProperty("id").GetInt32();
        }
        return tokens;
    }

    private static bool ReadNormalizer(string path, JsonElement root)
    {
        if (!root.TryGetProperty("normalizer", out JsonElement normalizer) || normalizer.ValueKind == JsonValueKind.Null)
            return false;
        Expect(path, "normalizer.type", TypeOf(normalizer), "NFC");
        return true;
    }

    // Either ByteLevel with GPT-2's pattern, or a sequence of Split by a pattern and ByteLevel without one.
    private static Regex ReadPattern(string path, JsonElement root)
    {
        JsonElement preTokenizer = root.GetProperty("pre_tokenizer");
        JsonElement[] steps = TypeOf(preTokenizer) == "Sequence" ? [.. preTokenizer.GetProperty("pretokenizers").EnumerateArray()] : [preTokenizer];
        string types = string.Join(", ", steps.Select(TypeOf));
        if (types is not ("ByteLevel" or "Split, ByteLevel"))
            throw Unsupported(path, "pre_tokenizer", types, "ByteLevel, or Split and ByteLevel");

        JsonElement byteLevel = steps[^1];
        if (byteLevel.TryGetProperty("add_prefix_space", out JsonElement prefix) && prefix.ValueKind == JsonValueKind.True)
            throw Unsupported(path, "pre_tokenizer.add_prefix_space", "true", "false");
        bool usesGpt2Pattern = !byteLevel.TryGetProperty("use_regex", out JsonElement useRegex) || useRegex.GetBoolean();
        if (usesGpt2Pattern == (steps.Length == 2))
            throw Unsupported(path, "pre_tokenizer.use_regex", usesGpt2Pattern ? "true" : "false", usesGpt2Pattern ? "false behind a Split" : "true without a Split");

        string pattern = Gpt2Pattern;
        if (steps.Length == 2)
        {
            JsonElement split = steps[0];
            Expect(path, "pre_tokenizer.behavior", split.GetProperty("behavior").GetString() ?? "null", "Isolated");
            if (split.TryGetProperty("invert", out JsonElement invert) && invert.GetBoolean())
                throw Unsupported(path, "pre_tokenizer.invert", "true", "false");
            pattern = split.GetProperty("pattern").GetProperty("Regex").GetString()!;
        }
        return new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.Compiled, TimeSpan.FromSeconds(30));
    }

    private static string TypeOf(JsonElement step) => step.GetProperty("type").GetString() ?? "null";

    private static void Expect(string path, string key, string found, string expected)
    {
        if (!found.Equals(expected, StringComparison.Ordinal))
            throw Unsupported(path, key, found, expected);
    }

    private static UnsupportedModelException Unsupported(string path, string key, string found, string expected) =>
        new($"{path}: {key}: expected {expected}, found {found}; count with the tokenizer of the loaded model instead.");
}
