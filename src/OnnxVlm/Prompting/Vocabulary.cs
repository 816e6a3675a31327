using OnnxVlm.Tokenizers;

namespace OnnxVlm.Prompting;

/// <summary>The tokens of a model as bytes: what each id adds to the text, and which ids are special. Immutable, so it can be shared between threads.</summary>
public sealed class Vocabulary
{
    private readonly HuggingFaceTokenizer? _tokenizer;
    private readonly Dictionary<string, int> _special;
    private readonly Lazy<IReadOnlyList<int>> _digitTokens;

    private Vocabulary(HuggingFaceTokenizer? tokenizer)
    {
        _tokenizer = tokenizer;
        _special = tokenizer?.AddedTokens.Where(token => token.IsSpecial).ToDictionary(token => token.Content, token => token.Id) ?? [];
        _digitTokens = new Lazy<IReadOnlyList<int>>(
            () => [.. Enumerable.Range(0, Size).Where(id => BytesOf(id).Span is { Length: > 0 } text && !text.ContainsAnyExceptInRange((byte)'0', (byte)'9'))]);
        SpecialTokens = [.. _special.Keys.OrderByDescending(text => text.Length).ThenBy(text => text, StringComparer.Ordinal)];
    }

    /// <summary>The vocabulary of a model folder without a tokenizer: no token has a text.</summary>
    internal static Vocabulary None { get; } = new(null);

    /// <summary>One more than the largest id.</summary>
    public int Size => _tokenizer?.VocabularySize ?? 0;

    /// <summary>The text of every special token, longest first.</summary>
    public IReadOnlyList<string> SpecialTokens { get; }

    /// <inheritdoc cref="HuggingFaceTokenizer.LongestToken"/>
    internal int? LongestToken => _tokenizer?.LongestToken;

    /// <summary>The tokens that are ASCII digits only.</summary>
    internal IReadOnlyList<int> DigitTokens => _digitTokens.Value;

    /// <summary>The vocabulary of a tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    public static Vocabulary Of(HuggingFaceTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new Vocabulary(tokenizer);
    }

    /// <summary>Reads <c>tokenizer.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The vocabulary.</returns>
    /// <exception cref="ModelLoadException">The file is missing or damaged; the message names the key.</exception>
    /// <exception cref="UnsupportedModelException">The file has a setting that cannot be followed exactly; the message names the key.</exception>
    public static Vocabulary Load(string path) => Of(ModelTokenizer.Load(path).Inner);

    /// <summary>The bytes that a token adds to the text; empty for a special token, a padding row or an id outside the vocabulary.</summary>
    /// <param name="tokenId">The token's id.</param>
    /// <returns>UTF-8 bytes, possibly only a part of a character.</returns>
    public ReadOnlyMemory<byte> BytesOf(int tokenId) => _tokenizer?.BytesOf(tokenId) ?? default;

    /// <summary>The id of a special token; null where the text is not one.</summary>
    /// <param name="text">The token's text, for example <c>&lt;|im_end|&gt;</c>.</param>
    /// <returns>The id.</returns>
    public int? FindSpecial(string text) => _special.TryGetValue(text, out int id) ? id : null;

    /// <summary>Whether an id is a special token.</summary>
    /// <param name="tokenId">The token's id.</param>
    /// <returns>True for a special token.</returns>
    public bool IsSpecial(int tokenId) => _tokenizer?.IsSpecial(tokenId) ?? false;
}
