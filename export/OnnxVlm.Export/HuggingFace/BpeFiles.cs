using System.Globalization;
using System.Text.Json.Nodes;

namespace OnnxVlm.Export.HuggingFace;

/// <summary>
/// <c>vocab.json</c> and <c>merges.txt</c>: the form of Qwen's tokenizers where there is no <c>tokenizer.json</c>, as in NEO's checkpoints. They give
/// the same tokenizer as a <c>tokenizer.json</c>; what is not in the files comes from transformers' <c>Qwen2Tokenizer</c>.
/// </summary>
internal static class BpeFiles
{
    private const string Vocabulary = "vocab.json", Merges = "merges.txt", TokenizerClass = "Qwen2Tokenizer";

    private const long MaxBytes = 64 << 20;
    private const int MaxDepth = 8;

    private const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>Whether a folder has the two files.</summary>
    public static bool In(string folder) => File.Exists(Path.Combine(folder, Vocabulary)) && File.Exists(Path.Combine(folder, Merges));

    /// <summary>Builds the tokenizer.</summary>
    /// <param name="folder">A folder that has the files.</param>
    /// <param name="settings">Its tokenizer_config.json.</param>
    /// <exception cref="UnsupportedModelException">The tokenizer is of another class.</exception>
    /// <exception cref="ModelLoadException">A file is damaged.</exception>
    public static JsonObject Read(string folder, JsonObject settings)
    {
        string path = Path.Combine(folder, Vocabulary);
        try
        {
            string? name = (string?)settings["tokenizer_class"];
            if (name is not (TokenizerClass or TokenizerClass + "Fast"))
                throw new UnsupportedModelException(
                    $"{path}: without a tokenizer.json only tokenizer_class {TokenizerClass} is implemented, " +
                    $"found {name}; save the tokenizer with use_fast=True");
            if (settings["add_prefix_space"]?.GetValue<bool>() ?? false)
                throw new UnsupportedModelException(
                    $"{path}: without a tokenizer.json add_prefix_space is not implemented; save the tokenizer with use_fast=True");
            JsonObject vocabulary = JsonFile.ReadNode(path, MaxBytes, MaxDepth);
            return new JsonObject
            {
                ["version"] = "1.0",
                ["truncation"] = null,
                ["padding"] = null,
                ["added_tokens"] = ReadAddedTokens(folder, settings),
                ["normalizer"] = new JsonObject { ["type"] = "NFC" },
                ["pre_tokenizer"] = new JsonObject
                {
                    ["type"] = "Sequence",
                    ["pretokenizers"] = new JsonArray(
                        new JsonObject
                        {
                            ["type"] = "Split",
                            ["pattern"] = new JsonObject { ["Regex"] = Pattern },
                            ["behavior"] = "Isolated",
                            ["invert"] = false,
                        },
                        ByteLevel()),
                },
                ["post_processor"] = ByteLevel(),
                ["decoder"] = ByteLevel(),
                ["model"] = new JsonObject
                {
                    ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = null, ["continuing_subword_prefix"] = "", ["end_of_word_suffix"] = "",
                    ["fuse_unk"] = false,
                    ["byte_fallback"] = false, ["ignore_merges"] = false, ["vocab"] = vocabulary,
                    ["merges"] = new JsonArray(
                        [.. File.ReadLines(Path.Combine(folder, Merges))
                            .Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)).Select(line => (JsonNode)line)]),
                },
            };
        }
        catch (Exception exception)
            when (exception is InvalidOperationException or FormatException or OverflowException or IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException(
                $"{path}: expected an object of token ids, with {Merges} and tokenizer_config.json beside it ({exception.Message.Split('\n')[0]}); " +
                "download the checkpoint again", exception);
        }
    }

    /// <summary>The tokens of tokenizer_config.json with their settings; tokens that only added_tokens.json has become special ones.</summary>
    private static JsonArray ReadAddedTokens(string folder, JsonObject settings)
    {
        SortedDictionary<int, JsonObject> tokens = [];
        string path = Path.Combine(folder, AddedTokensFile.FileName);
        if (File.Exists(path))
        {
            foreach ((string text, JsonNode? id) in JsonFile.ReadNode(path, MaxBytes, MaxDepth))
                tokens[id?.GetValue<int>() ?? throw new FormatException($"{AddedTokensFile.FileName}: {text} has no id")] = new JsonObject
                {
                    ["content"] = text,
                    ["single_word"] = false,
                    ["lstrip"] = false,
                    ["rstrip"] = false,
                    ["normalized"] = false,
                    ["special"] = true,
                };
        }

        foreach ((string id, JsonNode? token) in settings["added_tokens_decoder"]?.AsObject() ?? [])
            tokens[int.Parse(id, CultureInfo.InvariantCulture)] = token?.DeepClone().AsObject()
                ?? throw new FormatException($"added_tokens_decoder: {id} has no token");
        return [.. tokens.Select(entry =>
        {
            entry.Value["id"] = entry.Key;
            return (JsonNode)entry.Value;
        })];
    }

    private static JsonObject ByteLevel() => new() { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = false, ["use_regex"] = false };
}
