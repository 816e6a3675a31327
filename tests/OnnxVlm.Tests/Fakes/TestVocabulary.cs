using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Fakes;

/// <summary>Small vocabularies written to a temporary tokenizer.json.</summary>
internal static class TestVocabulary
{
    public const int EndId = 256;
    public const int ImageId = 257;

    /// <summary>One token for each byte (the id is the byte), then <c>&lt;|end|&gt;</c> and <c>&lt;|image|&gt;</c>.</summary>
    public static Vocabulary Bytes()
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
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab = tokens, merges = Array.Empty<string>() },
            added_tokens = new[] { new { id = EndId, content = "<|end|>", special = true }, new { id = ImageId, content = "<|image|>", special = true } },
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

/// <summary>Encodes to bytes and, like a real tokenizer, turns the text of a special token into that token.</summary>
internal sealed class ByteTokenizer(Vocabulary vocabulary) : ITokenizer
{
    public int[] Encode(string text)
    {
        List<int> ids = [];
        for (int i = 0; i < text.Length;)
        {
            string? special = vocabulary.SpecialTokens.FirstOrDefault(token => string.CompareOrdinal(text, i, token, 0, token.Length) == 0);
            if (special is not null)
            {
                ids.Add(vocabulary.FindSpecial(special)!.Value);
                i += special.Length;
                continue;
            }
            int length = i + 1 < text.Length && char.IsSurrogatePair(text, i) ? 2 : 1;
            ids.AddRange(System.Text.Encoding.UTF8.GetBytes(text.Substring(i, length)).Select(b => (int)b));
            i += length;
        }
        return [.. ids];
    }
}
