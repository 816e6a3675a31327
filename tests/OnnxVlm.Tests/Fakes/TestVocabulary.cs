using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Fakes;

/// <summary>Small vocabularies written to a temporary tokenizer.json.</summary>
internal static class TestVocabulary
{
    public const int EndId = 256;
    public const int ImageId = 257;

    /// <summary>One token for each byte (the id is the byte), then <c>&lt;|end|&gt;</c> and <c>&lt;|image|&gt;</c>.</summary>
    /// <param name="special">More special tokens, which follow.</param>
    public static Vocabulary Bytes(params string[] special)
    {
        Dictionary<string, int> tokens = [];
        int next = 256;
        for (int value = 0; value < 256; value++)
        {
            bool printable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
            tokens[((char)(printable ? value : next++)).ToString()] = value;
        }
        return Load(new
        {
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, use_regex = false },
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab = tokens, merges = Array.Empty<string>() },
            added_tokens = special.Prepend("<|image|>").Prepend("<|end|>").Select((content, i) => new { id = EndId + i, content, special = true }).ToArray(),
        });
    }

    public static Vocabulary Load(object tokenizerJson)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, System.Text.Json.JsonSerializer.Serialize(tokenizerJson));
            return Vocabulary.Load(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}

/// <summary>Encodes to bytes and, like a real tokenizer, turns the text of a special token into that token where it is from the template.</summary>
internal sealed class ByteTokenizer(Vocabulary vocabulary) : ITokenizer
{
    public int[] Encode(string text) => Encode(text, []);

    public int[] EncodeAsText(ReadOnlySpan<char> text) => Encode(text, new bool[text.Length]);

    public int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate)
    {
        List<int> ids = [];
        for (int i = 0; i < text.Length;)
        {
            int? special = null;
            int length = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]) ? 2 : 1;
            foreach (string token in vocabulary.SpecialTokens)
            {
                if (special is null && text[i..].StartsWith(token) && (fromTemplate.Length == 0 || !fromTemplate.Slice(i, token.Length).Contains(false)))
                    (special, length) = (vocabulary.FindSpecial(token), token.Length);
            }
            if (special is { } id)
                ids.Add(id);
            else
                ids.AddRange(System.Text.Encoding.UTF8.GetBytes(text.Slice(i, length).ToString()).Select(b => (int)b));
            i += length;
        }
        return [.. ids];
    }
}
