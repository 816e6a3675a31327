using System.Globalization;
using System.Text.Json.Nodes;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Export.HuggingFace;

/// <summary>
/// Makes a <c>tokenizer.json</c> with one token for each byte, for models with random weights. It can encode any text, and nothing has to be downloaded.
/// </summary>
internal static class ByteTokenizer
{
    /// <summary>Builds the file.</summary>
    /// <param name="special">Id to token, as in <c>added_tokens_decoder</c> of tokenizer_config.json.</param>
    public static JsonObject Create(JsonObject special)
    {
        Dictionary<int, string> taken = special.ToDictionary(
            entry => int.Parse(entry.Key, CultureInfo.InvariantCulture), entry => (string)entry.Value!["content"]!);
        JsonObject vocabulary = [];
        int id = 0;
        for (int value = 0; value < 256; value++, id++)
        {
            while (taken.ContainsKey(id))
                id++;
            vocabulary[ByteAlphabet.ToChar((byte)value).ToString()] = id;
        }

        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray([.. taken.OrderBy(entry => entry.Key).Select(entry => (JsonNode)new JsonObject
            {
                ["id"] = entry.Key, ["content"] = entry.Value, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false,
                ["special"] = true,
            })]),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = false, ["use_regex"] = true },
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["byte_fallback"] = false,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray(),
            },
        };
    }
}
