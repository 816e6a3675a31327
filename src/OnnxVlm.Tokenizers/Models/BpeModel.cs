using System.Text;
using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Models;

/// <summary>
/// Byte pair encoding: characters become tokens, and adjacent tokens merge in the order that training found, as in Hugging Face's library
/// (<c>models/bpe</c>). A piece of n characters takes time in the order of n log n.
/// </summary>
internal sealed class BpeModel : ITokenModel
{
    private const int SmallPiece = 32;

    private readonly Dictionary<string, int> _vocabulary;
    private readonly string?[] _tokens;
    private readonly int[] _bmp = new int[char.MaxValue + 1];
    private readonly Dictionary<int, int> _astral = [];
    private readonly MergeTable _merges;
    private readonly ByteFallback? _bytes;
    private readonly int _unknown;
    private readonly bool _fusesUnknown;
    private readonly bool _ignoresMerges;
    private readonly HashSet<int> _reserved;

    /// <summary>Creates the model.</summary>
    /// <param name="settings">The settings of the file.</param>
    /// <param name="reserved">The special tokens.</param>
    public BpeModel(BpeSettings settings, IEnumerable<int> reserved)
    {
        _vocabulary = settings.Vocabulary;
        _tokens = new string?[_vocabulary.Count == 0 ? 0 : _vocabulary.Values.Max() + 1];
        Array.Fill(_bmp, -1);
        foreach ((string token, int id) in _vocabulary)
        {
            _tokens[id] = token;
            if (token.Length == 1)
                _bmp[token[0]] = id;
            else if (token.Length == 2 && char.IsSurrogatePair(token, 0))
                _astral[char.ConvertToUtf32(token, 0)] = id;
        }
        _merges = new MergeTable(settings.Merges);
        _bytes = settings.HasByteFallback ? new ByteFallback(Find) : null;
        _unknown = settings.UnknownId ?? -1;
        _fusesUnknown = settings.FusesUnknown;
        _ignoresMerges = settings.IgnoresMerges;
        _reserved = [.. reserved, .. _bytes?.Ids ?? []];
        if (_unknown >= 0)
            _reserved.Add(_unknown);
        SpellsReserved = settings.Merges.Values.Any(merge => _reserved.Contains(merge.Id))
            || _reserved.Any(id => id < _tokens.Length && _tokens[id] is { } token
                && (_ignoresMerges || token.Length == 1 || (token.Length == 2 && char.IsSurrogatePair(token, 0))));
    }

    public IReadOnlyList<string?> Tokens => _tokens;

    public bool SpellsReserved { get; }

    public bool HasAllBytes => _bytes?.IsComplete ?? false;

    public int? Find(string token) => _vocabulary.TryGetValue(token, out int id) ? id : null;

    public void Encode(ReadOnlySpan<char> text, Trust trust, Scratch scratch, TokenSink sink)
    {
        if (_ignoresMerges && _vocabulary.TryGetValue(text.ToString(), out int whole) && IsAllowed(whole, trust, 0, text.Length))
        {
            sink.Add(whole, 0, text.Length);
            return;
        }
        Span<Symbol> symbols = scratch.Symbols(_bytes is null ? text.Length : text.Length * 3);
        int count = Start(text, trust, symbols);
        if (count == 0)
            return;
        symbols[count - 1].Next = -1;
        for (int i = 0; i + 1 < count; i++)
            Look(symbols, i, trust);
        if (count <= SmallPiece)
            MergeSmall(symbols, trust);
        else
            MergeLarge(symbols, count, trust, scratch);
        for (int i = 0; i >= 0; i = symbols[i].Next)
            sink.Add(symbols[i].Id, symbols[i].Start, symbols[i].End);
    }

    // Creates a symbol for each character, or for each of its bytes, or for unknown text.
    private int Start(ReadOnlySpan<char> text, Trust trust, Span<Symbol> symbols)
    {
        int count = 0, unknownStart = -1, unknownEnd = 0;
        Span<byte> utf8 = stackalloc byte[4];
        Span<int> ids = stackalloc int[4];
        for (int i = 0, end; i < text.Length; i = end)
        {
            end = i + (char.IsHighSurrogate(text[i]) ? 2 : 1);
            int id = end - i == 1 ? _bmp[text[i]] : _astral.GetValueOrDefault(char.ConvertToUtf32(text[i], text[i + 1]), -1);
            if (id >= 0 && IsAllowed(id, trust, i, end))
            {
                FlushUnknown(symbols);
                Put(symbols, id, i, end);
                continue;
            }
            if (_bytes is not null)
            {
                Rune.DecodeFromUtf16(text[i..], out Rune rune, out _);
                int length = rune.EncodeToUtf8(utf8);
                if (_bytes.TryEncode(utf8[..length], ids))
                {
                    for (int k = 0; k < length; k++)
                        Put(symbols, ids[k], i, end);
                    continue;
                }
            }
            if (_unknown < 0)
                continue;
            if (!_fusesUnknown)
                FlushUnknown(symbols);
            if (unknownStart < 0)
                unknownStart = i;
            unknownEnd = end;
        }
        FlushUnknown(symbols);
        return count;

        void FlushUnknown(Span<Symbol> symbols)
        {
            if (unknownStart >= 0)
                Put(symbols, _unknown, unknownStart, unknownEnd);
            unknownStart = -1;
        }

        void Put(Span<Symbol> symbols, int id, int start, int end)
        {
            symbols[count] = new Symbol { Id = id, Start = start, End = end, Previous = count - 1, Next = count + 1, Rank = -1 };
            count++;
        }
    }

    // Untrusted text never becomes a special token.
    private bool IsAllowed(int id, Trust trust, int start, int end) => !SpellsReserved || !_reserved.Contains(id) || trust.Covers(start, end);

    private void Look(Span<Symbol> symbols, int at, Trust trust)
    {
        ref Symbol symbol = ref symbols[at];
        symbol.Rank = -1;
        if (symbol.Next < 0)
            return;
        ref Symbol next = ref symbols[symbol.Next];
        if (_merges.TryFind(symbol.Id, next.Id, out int rank, out int id) && IsAllowed(id, trust, symbol.Start, next.End))
            (symbol.Rank, symbol.Merged) = (rank, id);
    }

    private void Join(Span<Symbol> symbols, int at, Trust trust)
    {
        ref Symbol symbol = ref symbols[at];
        ref Symbol right = ref symbols[symbol.Next];
        symbol.Id = symbol.Merged;
        symbol.End = right.End;
        symbol.Next = right.Next;
        right.Rank = -1;
        if (symbol.Next >= 0)
            symbols[symbol.Next].Previous = at;
        Look(symbols, at, trust);
        if (symbol.Previous >= 0)
            Look(symbols, symbol.Previous, trust);
    }

    private void MergeSmall(Span<Symbol> symbols, Trust trust)
    {
        while (true)
        {
            uint best = uint.MaxValue;
            int found = -1;
            for (int i = 0; i >= 0; i = symbols[i].Next)
            {
                if ((uint)symbols[i].Rank < best)
                    (best, found) = ((uint)symbols[i].Rank, i);
            }
            if (found < 0)
                return;
            Join(symbols, found, trust);
        }
    }

    private void MergeLarge(Span<Symbol> symbols, int count, Trust trust, Scratch scratch)
    {
        // Each merge adds at most two pairs.
        MergeQueue queue = new(scratch.Heap(count * 3));
        for (int i = 0; i + 1 < count; i++)
            queue.Add(symbols[i].Rank, i);
        while (queue.TryTake(out int rank, out int at))
        {
            // The pair may have changed since it was queued.
            if (symbols[at].Rank != rank)
                continue;
            Join(symbols, at, trust);
            if (symbols[at].Previous is int previous and >= 0)
                queue.Add(symbols[previous].Rank, previous);
            queue.Add(symbols[at].Rank, at);
        }
    }
}
