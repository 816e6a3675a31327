using System.Text.Json.Nodes;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Fakes;

/// <summary>A tokenizer with one token for each byte, for checkpoints of tests that have none.</summary>
internal static class ByteTokenizerFile
{
    /// <summary>Writes tokenizer.json and tokenizer_config.json.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="special">Special tokens; the bytes get the lowest ids that are left.</param>
    public static void Write(string folder, IReadOnlyDictionary<string, int> special)
    {
        JsonObject vocabulary = [];
        int id = 0;
        for (int value = 0; value < 256; value++)
        {
            while (special.Values.Contains(id))
                id++;
            vocabulary[$"{ByteAlphabet.ToChar((byte)value)}"] = id++;
        }
        JsonObject tokenizer = new()
        {
            ["version"] = "1.0",
            ["added_tokens"] = new JsonArray([.. special.Select(token => new JsonObject
            {
                ["id"] = token.Value, ["content"] = token.Key, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
            })]),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = true },
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = new JsonArray() },
        };
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), tokenizer.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}"}""");
    }
}
