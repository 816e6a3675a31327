using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OnnxVlm.Prompting;

/// <summary>
/// The tokens of a <c>tokenizer.json</c> as bytes: what each id adds to the text, and which ids are special.
/// Byte-level vocabularies (GPT-2's byte alphabet) and SentencePiece ones (<c>▁</c> and <c>&lt;0xNN&gt;</c>) are understood.
/// Immutable, so it can be shared between threads.
/// </summary>
public sealed class Vocabulary
{
    private readonly byte[]?[] _bytes;
    private readonly Dictionary<string, int> _special;
    private readonly Lazy<IReadOnlyList<int>> _digitTokens;

    private Vocabulary(byte[]?[] bytes, Dictionary<string, int> special)
    {
        _bytes = bytes;
        _special = special;
        _digitTokens = new Lazy<IReadOnlyList<int>>(() => [.. Enumerable.Range(0, bytes.Length).Where(id => bytes[id] is { Length: > 0 } text && text.All(b => b is >= (byte)'0' and <= (byte)'9'))]);
        SpecialTokens = [.. special.Keys.OrderByDescending(text => text.Length).ThenBy(text => text, StringComparer.Ordinal)];
    }

    /// <summary>The vocabulary of a model folder without a tokenizer: no token has a text.</summary>
    internal static Vocabulary None { get; } = new([], []);

    /// <summary>One more than the largest id.</summary>
    public int Size => _bytes.Length;

    /// <summary>The text of every special token, longest first.</summary>
    public IReadOnlyList<string> SpecialTokens { get; }

    /// <summary>The tokens that are ASCII digits only.</summary>
    internal IReadOnlyList<int> DigitTokens => _digitTokens.Value;

    /// <summary>Reads <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The vocabulary.</returns>
    /// <exception cref="ModelLoadException">The file is missing or is not a tokenizer with a vocabulary.</exception>
    public static Vocabulary Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument document = JsonDocument.Parse(stream);
            return Read(document.RootElement);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelLoadException($"{path} could not be read as a tokenizer: {e.Message} Export or copy the model folder again.", e);
        }
    }

    /// <summary>The bytes that a token adds to the text; none for a special token, a padding row or an id outside the vocabulary.</summary>
    /// <param name="tokenId">The token's id.</param>
    /// <returns>UTF-8 bytes, which may be part of a character only.</returns>
    public ReadOnlyMemory<byte> BytesOf(int tokenId) => (uint)tokenId < (uint)_bytes.Length ? _bytes[tokenId] : null;

    /// <summary>The id of a special token, or null where the text is not one.</summary>
    /// <param name="text">The token's text, for example <c>&lt;|im_end|&gt;</c>.</param>
    /// <returns>The id.</returns>
    public int? FindSpecial(string text) => _special.TryGetValue(text, out int id) ? id : null;

    /// <summary>Whether an id is a special token.</summary>
    /// <param name="tokenId">The token's id.</param>
    /// <returns>True for a special token.</returns>
    public bool IsSpecial(int tokenId) => _special.ContainsValue(tokenId);

    private static Vocabulary Read(JsonElement root)
    {
        // Unigram vocabularies are lists of [token, score].
        JsonElement entries = root.GetProperty("model").GetProperty("vocab");
        Dictionary<string, int> vocabulary = entries.ValueKind == JsonValueKind.Array
            ? entries.EnumerateArray().Index().ToDictionary(entry => entry.Item[0].GetString()!, entry => entry.Index)
            : entries.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32());
        JsonElement[] added = root.TryGetProperty("added_tokens", out JsonElement list) && list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : [];
        int size = 1 + vocabulary.Values.Concat(added.Select(token => token.GetProperty("id").GetInt32())).Max();

        Func<string, byte[]> toBytes = IsByteLevel(root) ? FromByteAlphabet : FromSentencePiece;
        byte[]?[] bytes = new byte[]?[size];
        foreach ((string text, int id) in vocabulary)
            bytes[id] = toBytes(text);

        Dictionary<string, int> special = [];
        foreach (JsonElement token in added)
        {
            string text = token.GetProperty("content").GetString()!;
            int id = token.GetProperty("id").GetInt32();
            bool isSpecial = token.TryGetProperty("special", out JsonElement flag) && flag.GetBoolean();
            bytes[id] = isSpecial ? null : Encoding.UTF8.GetBytes(text);
            if (isSpecial)
                special[text] = id;
        }
        return new Vocabulary(bytes, special);
    }

    private static bool IsByteLevel(JsonElement root) =>
        root.TryGetProperty("decoder", out JsonElement decoder) && decoder.ValueKind == JsonValueKind.Object && decoder.GetRawText().Contains("\"ByteLevel\"", StringComparison.Ordinal);

    private static byte[] FromByteAlphabet(string text)
    {
        byte[] bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            if (!ByteAlphabet.TryGetByte(text[i], out bytes[i]))
                return Encoding.UTF8.GetBytes(text);
        }
        return bytes;
    }

    private static byte[] FromSentencePiece(string text)
    {
        bool isByte = text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>';
        return isByte && byte.TryParse(text.AsSpan(3, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out byte value)
            ? [value]
            : Encoding.UTF8.GetBytes(text.Replace('▁', ' '));
    }
}
