using System.Text;
using OnnxVlm.Tokenizers.Alignment;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.Models;

/// <summary>
/// Unigram: of all ways to split a piece into tokens, the one with the highest sum of scores, as in Hugging Face's library (<c>models/unigram</c>). A
/// character that no token begins with is unknown, with a score ten below the worst. Takes time linear in the piece.
/// </summary>
internal sealed class UnigramModel : ITokenModel
{
    private const double UnknownPenalty = 10;

    private readonly string[] _tokens;
    private readonly double[] _scores;
    private readonly Dictionary<string, int> _ids = [];
    private readonly CharTrie _trie = new();
    private readonly double _unknownScore;
    private readonly int _unknown;
    private readonly ByteFallback? _bytes;
    private readonly bool[] _isReserved;
    private readonly int _longestToken;

    /// <summary>Reads the model.</summary>
    /// <param name="key">The key <c>model</c>.</param>
    public UnigramModel(JsonKey key)
    {
        JsonKey vocab = key.Required("vocab");
        List<string> tokens = [];
        List<double> scores = [];
        foreach (JsonKey item in vocab.Items())
        {
            JsonKey[] pair = [.. item.Items().Take(3)];
            if (pair.Length != 2)
                throw item.Bad("a token and its score");
            string token = pair[0].Text();
            _ids[token] = tokens.Count;
            tokens.Add(token);
            scores.Add(pair[1].Real());
            if (tokens.Count > AddedToken.MaxId)
                throw vocab.Bad("fewer tokens");
        }
        if (tokens.Count == 0)
            throw vocab.Bad("at least one token");
        (_tokens, _scores) = ([.. tokens], [.. scores]);
        foreach ((string token, int id) in _ids)
        {
            if (token.Length > 0)
                _trie.Add(token, id, replace: true);
        }
        _longestToken = tokens.Max(token => token.Length);
        _unknownScore = scores.Min() - UnknownPenalty;
        _unknown = key.Required("unk_id").Number(tokens.Count - 1);
        _bytes = key.Flag("byte_fallback") ? new ByteFallback(Find) : null;
        _isReserved = new bool[tokens.Count];
        foreach (int id in _bytes?.Ids ?? [])
            _isReserved[id] = true;
        _isReserved[_unknown] = true;
    }

    public IReadOnlyList<string?> Tokens => _tokens;

    public bool SpellsReserved => true;

    public bool HasAllBytes => _bytes?.IsComplete ?? false;

    public int? Find(string token) => _ids.TryGetValue(token, out int id) ? id : null;

    /// <summary>Reserves a token for the template: untrusted text that spells it stays text.</summary>
    public void Reserve(int id)
    {
        if (id < _isReserved.Length)
            _isReserved[id] = true;
    }

    public void Encode(ReadOnlySpan<char> text, Trust trust, Scratch scratch, TokenSink sink)
    {
        Span<PathNode> path = scratch.Path(text.Length + 1);
        FindPath(text, trust, path);

        // Walks from the end back to the start, and reverses the links on the way.
        int end = text.Length, following = -1;
        while (end >= 0)
        {
            int from = end == 0 ? -1 : path[end].From;
            path[end].From = following;
            (following, end) = (end, from);
        }
        for (int start = 0; start < text.Length;)
        {
            // Adjacent unknown characters become one token.
            int next = path[start].From;
            bool isUnknown = path[next].Id == _unknown;
            while (isUnknown && next < text.Length && path[path[next].From].Id == _unknown)
                next = path[next].From;
            Add(text[start..next], start, isUnknown ? -1 : path[next].Id, trust, sink);
            start = next;
        }
    }

    private void FindPath(ReadOnlySpan<char> text, Trust trust, Span<PathNode> path)
    {
        path[..(text.Length + 1)].Fill(new PathNode { From = -1 });
        for (int start = 0, length; start < text.Length; start += length)
        {
            length = char.IsHighSurrogate(text[start]) ? 2 : 1;
            double score = path[start].Score;
            bool isKnown = false, isTemplate = true;
            int node = CharTrie.Root;
            for (int i = start; i < text.Length && (node = _trie.Next(node, text[i])) >= 0; i++)
            {
                isTemplate &= trust[i];
                int id = _trie.NumberAt(node);
                if (id < 0 || (_isReserved[id] && !isTemplate))
                    continue;
                isKnown |= i + 1 - start == length;
                Reach(ref path[i + 1], start, score + _scores[id], id);
            }
            if (!isKnown)
                Reach(ref path[start + length], start, score + _unknownScore, _unknown);
        }
    }

    private static void Reach(ref PathNode node, int from, double score, int id)
    {
        if (node.From < 0 || score > node.Score)
            node = new PathNode { From = from, Score = score, Id = id };
    }

    private void Add(ReadOnlySpan<char> text, int start, int id, Trust trust, TokenSink sink)
    {
        int end = start + text.Length;
        if (id < 0 && text.Length <= _longestToken && _ids.TryGetValue(text.ToString(), out int found) && (!_isReserved[found] || trust.Covers(start, end)))
            id = found;
        if (id >= 0)
        {
            sink.Add(id, start, end);
            return;
        }
        if (_bytes is null || !TryAddBytes(text, start, sink))
            sink.Add(_unknown, start, end);
    }

    // Adds all bytes of the unknown text, or none.
    private bool TryAddBytes(ReadOnlySpan<char> text, int start, TokenSink sink)
    {
        Span<byte> utf8 = stackalloc byte[4];
        Span<int> ids = stackalloc int[4];
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (!_bytes!.TryEncode(utf8[..rune.EncodeToUtf8(utf8)], ids))
                return false;
        }
        foreach (Rune rune in text.EnumerateRunes())
        {
            int count = rune.EncodeToUtf8(utf8), end = start + rune.Utf16SequenceLength;
            _bytes!.TryEncode(utf8[..count], ids);
            foreach (int id in ids[..count])
                sink.Add(id, start, end);
            start = end;
        }
        return true;
    }
}
