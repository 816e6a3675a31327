using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>A byte tokenizer with two merges and a template of one line: small, but with all parts of a real one.</summary>
internal static class SmallTokenizer
{
    /// <summary>Writes tokenizer.json and tokenizer_config.json.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="size">The vocabulary's size; unused ids become printable ASCII.</param>
    /// <param name="special">Special tokens.</param>
    public static void Write(string folder, int size, params ReadOnlySpan<(int Id, string Text)> special)
    {
        JsonArray added = [];
        JsonObject decoder = [];
        HashSet<int> taken = [];
        foreach ((int id, string text) in special)
        {
            taken.Add(id);
            added.Add(Token(id, text));
            JsonObject token = Token(id, text);
            token.Remove("id");
            decoder[$"{id}"] = token;
        }

        JsonObject vocabulary = [];
        string[] texts = [.. Enumerable.Range('!', 94).Select(letter => $"{(char)letter}")];
        int next = 0;
        foreach (string text in texts.Prepend("he").Prepend("th").Prepend("Ġ").Prepend("Ċ"))
        {
            while (taken.Contains(next))
                next++;
            if (next >= size)
                break;
            vocabulary[text] = next++;
        }

        JsonObject tokenizer = new()
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = new JsonObject { ["type"] = "NFC" },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = false, ["use_regex"] = true },
            ["post_processor"] = null,
            ["decoder"] = new JsonObject { ["type"] = "ByteLevel" },
            ["model"] = new JsonObject
            {
                ["type"] = "BPE", ["dropout"] = null, ["unk_token"] = null, ["byte_fallback"] = false, ["vocab"] = vocabulary,
                ["merges"] = new JsonArray("t h", "h e"),
            },
        };
        JsonObject settings = new()
        {
            ["tokenizer_class"] = "Qwen2Tokenizer",
            ["added_tokens_decoder"] = decoder,
            ["chat_template"] = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}" +
                "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
        };
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), tokenizer.ToJsonString());
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), settings.ToJsonString());
    }

    private static JsonObject Token(int id, string text) => new()
    {
        ["id"] = id, ["content"] = text, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false, ["special"] = true,
    };
}
