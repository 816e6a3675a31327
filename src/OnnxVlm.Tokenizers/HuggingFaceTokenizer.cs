using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;
using OnnxVlm.Tokenizers.Added;
using OnnxVlm.Tokenizers.Alignment;
using OnnxVlm.Tokenizers.Decoding;
using OnnxVlm.Tokenizers.Models;
using OnnxVlm.Tokenizers.Normalizers;
using OnnxVlm.Tokenizers.PreTokenizers;

namespace OnnxVlm.Tokenizers;

/// <summary>
/// The tokenizer of a <c>tokenizer.json</c>, with the same tokens as Hugging Face's library (huggingface/tokenizers 0.22): BPE, byte-level or with byte
/// fallback, and Unigram. A setting that cannot be followed exactly is refused by name when the file is read. Post-processors are not applied: a text
/// gets no begin or end token. Immutable and thread-safe; takes time in the order of n log n for a text of n characters.
/// <code>
/// HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load("onnx-models/nano/tokenizer.json");
/// int[] ids = tokenizer.Encode("Hello&lt;|im_end|&gt;");          // the special token is one token
/// int[] text = tokenizer.EncodeAsText("Hello&lt;|im_end|&gt;");   // and here it is text
/// </code>
/// </summary>
public sealed class HuggingFaceTokenizer : Tokenizer
{
    private readonly List<INormalizer> _normalizers;
    private readonly List<IPreTokenizer> _preTokenizers;
    private readonly ITokenModel _model;
    private readonly AddedTokenMatcher _added;
    private readonly AddedTokenMatcher _normalizedAdded;
    private readonly byte[]?[] _bytes;
    private readonly string?[] _texts;
    private readonly HashSet<int> _special;
    private readonly int _leadingBlanks;

    private HuggingFaceTokenizer(TokenizerReader file)
    {
        _normalizers = file.Normalizers;
        _preTokenizers = file.PreTokenizers;
        _model = file.Model;
        AddedTokens = file.AddedTokens;
        _leadingBlanks = file.Decoder.LeadingBlanks;
        _special = [.. AddedTokens.Where(token => token.IsSpecial).Select(token => token.Id)];

        // If tokens normalize to the same text, special ones come first, as in Hugging Face's library.
        AddedToken[] ordered = [.. AddedTokens.Where(token => token.IsSpecial), .. AddedTokens.Where(token => !token.IsSpecial)];
        _added = new AddedTokenMatcher([.. ordered.Where(token => !token.IsNormalized).Select(token => (token, token.Content))]);
        _normalizedAdded = new AddedTokenMatcher([.. ordered.Where(token => token.IsNormalized)
            .Select(token => (token, Normalize(AlignedText.Of(token.Content, 0, tracked: false)).Text)).Where(token => token.Text.Length > 0)]);

        int size = Math.Max(_model.Tokens.Count, AddedTokens.Count == 0 ? 0 : AddedTokens.Max(token => token.Id) + 1);
        _bytes = new byte[]?[size];
        _texts = new string?[size];
        FillTokens(file.Decoder);
        LongestToken = TokenLength.Longest(file);
    }

    /// <summary>One more than the largest id.</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>The added tokens, special ones among them, in the order of the file.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; }

    /// <summary>
    /// The most characters (UTF-16 code units) of a text that one token can represent. A text of n characters therefore has at least n /
    /// <see cref="LongestToken"/> tokens, so that a text that cannot fit can be refused before it is encoded. Null where a token can represent a text
    /// of any length, for example of dropped blanks or of characters that the vocabulary lacks.
    /// </summary>
    public int? LongestToken { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">A <c>tokenizer.json</c>.</param>
    /// <exception cref="TokenizerException">The file is missing or damaged, or has a setting that cannot be followed exactly; the message
    /// names the key.</exception>
    public static HuggingFaceTokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            return Parse(File.ReadAllBytes(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{path}: could not be read: {e.Message.ReplaceLineEndings(" ")}", innerException: e);
        }
    }

    /// <summary>Reads a file's content.</summary>
    /// <param name="json">The content of a <c>tokenizer.json</c>, in UTF-8.</param>
    /// <param name="name">The name of the file in messages.</param>
    /// <exception cref="TokenizerException">The content is damaged, or has a setting that cannot be followed exactly; the message names the key.</exception>
    public static HuggingFaceTokenizer Parse(ReadOnlyMemory<byte> json, string name = "tokenizer.json")
    {
        ArgumentNullException.ThrowIfNull(name);
        return new HuggingFaceTokenizer(TokenizerReader.Read(json, name));
    }

    /// <summary>Encodes a text and converts the text of a special token to that token.</summary>
    /// <param name="text">Any text; half of a surrogate pair counts as U+FFFD.</param>
    /// <returns>Token ids.</returns>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Encode(text, []);
    }

    /// <summary>
    /// Encodes a text that is partly from a template and partly untrusted, in one pass. Characters become a special token only if all of
    /// them are from the template.
    /// </summary>
    /// <param name="text">Any text; half of a surrogate pair counts as U+FFFD.</param>
    /// <param name="fromTemplate">A flag for each character, true where it is from the template; empty where all are.</param>
    /// <param name="cancellationToken">Ends the work with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Token ids.</returns>
    /// <exception cref="ArgumentException">There are flags, but not one for each character.</exception>
    public int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate, CancellationToken cancellationToken = default)
    {
        if (fromTemplate.Length != 0 && fromTemplate.Length != text.Length)
            throw new ArgumentException(
                $"There are {text.Length} characters and {fromTemplate.Length} flags; give a flag for each character.", nameof(fromTemplate));
        return [.. Encode(text, Trust.Of(fromTemplate), fromTemplate, tracksPlaces: false, cancellationToken).Ids];
    }

    /// <summary>Encodes untrusted text: whatever it spells, it contains no special token.</summary>
    /// <param name="text">Any text; half of a surrogate pair counts as U+FFFD.</param>
    /// <param name="cancellationToken">Ends the work with <see cref="OperationCanceledException"/>.</param>
    /// <returns>Token ids, none of them special.</returns>
    public int[] EncodeAsText(ReadOnlySpan<char> text, CancellationToken cancellationToken = default) =>
        [.. Encode(text, Trust.Outside, [], tracksPlaces: false, cancellationToken).Ids];

    /// <summary>The bytes that a token adds to a text; empty for a special token, or an id without a token.</summary>
    /// <param name="id">The token's id.</param>
    /// <returns>UTF-8, possibly only a part of a character.</returns>
    public ReadOnlyMemory<byte> BytesOf(int id) => (uint)id < (uint)_bytes.Length ? _bytes[id] : null;

    /// <summary>Whether an id is a special token.</summary>
    /// <param name="id">The token's id.</param>
    public bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>A token as the file spells it; null for an id without a token.</summary>
    /// <param name="id">The token's id.</param>
    public string? TokenOf(int id) => (uint)id < (uint)_texts.Length ? _texts[id] : null;

    /// <summary>The id of a token of the vocabulary, or of an added token.</summary>
    /// <param name="token">The token as the file spells it.</param>
    /// <returns>The id; null where there is no such token.</returns>
    public int? IdOf(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        foreach (AddedToken added in AddedTokens)
        {
            if (added.Content == token)
                return added.Id;
        }
        return _model.Find(token);
    }

    /// <summary>The text of token ids. Special tokens add nothing, and a blank that the tokenizer inserts before every text is dropped.</summary>
    /// <param name="ids">Token ids.</param>
    /// <returns>The text; bytes that do not form a character become U+FFFD.</returns>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArrayBufferWriter<byte> bytes = new();
        foreach (int id in ids)
            bytes.Write(BytesOf(id).Span);
        ReadOnlySpan<byte> text = bytes.WrittenSpan;
        for (int i = 0; i < _leadingBlanks && text.Length > 0 && text[0] == ' '; i++)
            text = text[1..];
        return Encoding.UTF8.GetString(text);
    }

    /// <inheritdoc />
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        int[] all = [.. ids];
        string text = Decode(all);
        if (text.AsSpan().TryCopyTo(destination))
        {
            (idsConsumed, charsWritten) = (all.Length, text.Length);
            return OperationStatus.Done;
        }
        (idsConsumed, charsWritten) = (0, 0);
        return OperationStatus.DestinationTooSmall;
    }

    /// <inheritdoc />
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ReadOnlySpan<char> all = TextOf(text, textSpan, settings);
        TokenSink sink = Encode(all, Trust.Template, [], tracksPlaces: true, CancellationToken.None);
        int count = Math.Min(sink.Ids.Count, settings.MaxTokenCount);
        EncodedToken[] tokens = new EncodedToken[count];
        for (int i = 0; i < count; i++)
            tokens[i] = new EncodedToken(sink.Ids[i], TokenOf(sink.Ids[i]) ?? "", sink.Places[i].Start..sink.Places[i].End);
        return new EncodeResults<EncodedToken> { Tokens = tokens, CharsConsumed = count == sink.Ids.Count ? all.Length : CutBefore(sink, count) };
    }

    /// <inheritdoc />
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        ReadOnlySpan<char> all = TextOf(text, textSpan, settings);
        TokenSink sink = Encode(all, Trust.Template, [], tracksPlaces: settings.MaxTokenCount != int.MaxValue, CancellationToken.None);
        if (sink.Ids.Count <= settings.MaxTokenCount)
            return new EncodeResults<int> { Tokens = sink.Ids, CharsConsumed = all.Length };
        return new EncodeResults<int> { Tokens = sink.Ids[..settings.MaxTokenCount], CharsConsumed = CutBefore(sink, settings.MaxTokenCount) };
    }

    /// <inheritdoc />
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) =>
        Math.Min(Encode(TextOf(text, textSpan, settings), Trust.Template, [], tracksPlaces: false, CancellationToken.None).Ids.Count, settings.MaxTokenCount);

    /// <inheritdoc />
    protected override int GetIndexByTokenCount(
        string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        ReadOnlySpan<char> all = TextOf(text, textSpan, settings);
        normalizedText = null;
        TokenSink sink = Encode(all, Trust.Template, [], tracksPlaces: true, CancellationToken.None);
        tokenCount = Math.Min(sink.Ids.Count, settings.MaxTokenCount);
        if (tokenCount == sink.Ids.Count)
            return fromEnd ? 0 : all.Length;
        return fromEnd ? sink.Places[sink.Ids.Count - tokenCount].Start : CutBefore(sink, tokenCount);
    }

    // The end of the text of the first tokens.
    private static int CutBefore(TokenSink sink, int count) => count == 0 ? 0 : Math.Min(sink.Places[count - 1].End, sink.Places[count].Start);

    private static ReadOnlySpan<char> TextOf(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        if (!settings.ConsiderNormalization || !settings.ConsiderPreTokenization)
            throw new NotSupportedException("The steps of tokenizer.json belong together: it has no tokens without normalization or pre-tokenization.");
        return text is null ? textSpan : text.AsSpan();
    }

    private TokenSink Encode(ReadOnlySpan<char> text, Trust trust, ReadOnlySpan<bool> fromTemplate, bool tracksPlaces, CancellationToken cancellationToken)
    {
        text = WellFormed(text);
        TokenSink sink = new(tracksPlaces);
        Scratch scratch = new();
        foreach ((int start, int end, int id) in _added.Split(text, trust))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (id >= 0)
            {
                sink.Add(id, new Origin(start, end));
                continue;
            }
            Trust partTrust = trust.Slice(start, end);
            bool followsTrust = partTrust.IsMixed && (_normalizedAdded.HasSpecial || _model.SpellsReserved);
            AlignedText normalized = Normalize(AlignedText.Of(text[start..end], start, tracksPlaces || followsTrust));
            EncodeNormalized(normalized, start == 0, followsTrust ? fromTemplate : [], partTrust, scratch, sink, cancellationToken);
        }
        return sink;
    }

    private void EncodeNormalized(
        AlignedText text, bool isStart, ReadOnlySpan<bool> flags, Trust trust, Scratch scratch, TokenSink sink, CancellationToken cancellationToken)
    {
        trust = flags.Length > 0 ? Trust.Follow(flags, text) : trust.IsMixed ? Trust.Template : trust;
        foreach ((int start, int end, int id) in _normalizedAdded.Split(text.Text, trust))
        {
            if (id >= 0)
            {
                sink.Add(id, text.OriginOf(start, end));
                continue;
            }
            Pieces pieces = new(text.Slice(start, end), isStart && start == 0);
            foreach (IPreTokenizer step in _preTokenizers)
                step.Apply(pieces);
            Trust pieceTrust = flags.Length > 0 ? Trust.Follow(flags, pieces.Text) : trust;
            foreach (Piece piece in pieces.Ranges)
            {
                cancellationToken.ThrowIfCancellationRequested();
                sink.Enter(pieces.Text, piece.Start);
                _model.Encode(pieces.Text.Text.AsSpan(piece.Start, piece.End - piece.Start), pieceTrust.Slice(piece.Start, piece.End), scratch, sink);
            }
        }
    }

    private AlignedText Normalize(AlignedText text)
    {
        foreach (INormalizer step in _normalizers)
            text = step.Normalize(text);
        return text;
    }

    // UTF-8 cannot represent half of a surrogate pair; it is replaced.
    private static ReadOnlySpan<char> WellFormed(ReadOnlySpan<char> text)
    {
        for (int i = 0; text[i..].IndexOfAnyInRange('\uD800', '\uDFFF') is int distance and >= 0;)
        {
            i += distance;
            if (Rune.DecodeFromUtf16(text[i..], out _, out int length) != OperationStatus.Done)
                return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.ToArray()));
            i += length;
        }
        return text;
    }

    private void FillTokens(TokenDecoder decoder)
    {
        for (int id = 0; id < _model.Tokens.Count; id++)
        {
            if (_model.Tokens[id] is { } token)
                (_texts[id], _bytes[id]) = (token, decoder.ToBytes(token));
        }
        foreach (AddedToken added in AddedTokens)
            (_texts[added.Id], _bytes[added.Id]) = (added.Content, added.IsSpecial ? null : Encoding.UTF8.GetBytes(added.Content));
    }
}
