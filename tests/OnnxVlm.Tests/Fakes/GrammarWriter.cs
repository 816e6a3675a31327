using System.Text;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Fakes;

/// <summary>A model that says anything at all, held to a grammar: each token has a random score. After a while it prefers what may end the answer.</summary>
internal sealed class GrammarWriter(Vocabulary vocabulary, int width, int endTokenId) : IDisposable
{
    private const int Patience = 40;
    private const int MaxTokens = 4000;

    private readonly GrammarModel _model = new(vocabulary, width, [endTokenId]);
    private readonly float[] _scores = new float[width];
    private readonly bool[] _closes = [.. Enumerable.Range(0, width).Select(id => id == endTokenId || (vocabulary.BytesOf(id).Length > 0 && vocabulary.BytesOf(id).Span.IndexOfAnyExcept("\"}]"u8) < 0))];

    /// <summary>A writer whose tokens are the bytes.</summary>
    public static GrammarWriter OfBytes() => new(TestVocabulary.Bytes(), 258, TestVocabulary.EndId);

    /// <summary>Writes an answer, up to its end.</summary>
    /// <param name="guidance">The grammar.</param>
    /// <param name="seed">What else it depends on.</param>
    /// <param name="wanted">What the answer is where the grammar allows it; empty for anything.</param>
    /// <returns>The text and its tokens.</returns>
    public (string Text, IReadOnlyList<int> TokenIds) Write(Guidance guidance, int seed, string wanted = "")
    {
        using Grammar grammar = _model.Create(guidance, MaxTokens);
        return Write(grammar, seed, wanted);
    }

    /// <summary>The same with a grammar that is at its start.</summary>
    /// <param name="grammar">The grammar.</param>
    /// <param name="seed">What else it depends on.</param>
    /// <param name="wanted">What the answer is where the grammar allows it; empty for anything.</param>
    /// <param name="closing">Tokens that end a text where quotes do not; null for none.</param>
    public (string Text, IReadOnlyList<int> TokenIds) Write(Grammar grammar, int seed, string wanted = "", IReadOnlyList<int>? closing = null)
    {
        Random random = new(seed);
        byte[] goal = Encoding.UTF8.GetBytes(wanted);
        List<byte> bytes = [];
        List<int> tokens = [];
        while (tokens.Count < MaxTokens)
        {
            for (int id = 0; id < width; id++)
            {
                ReadOnlySpan<byte> token = vocabulary.BytesOf(id).Span;
                bool goesOn = bytes.Count < goal.Length ? !token.IsEmpty && goal.AsSpan(bytes.Count).StartsWith(token) : _closes[id] && (goal.Length > 0 || tokens.Count > Patience);
                _scores[id] = random.NextSingle() + (goesOn ? 2 : 0);
            }
            if (tokens.Count > Patience && closing is { Count: > 0 })
                _scores[NextOf(closing, tokens)] += 3;
            int chosen = grammar.Choose(_scores);
            if (chosen == endTokenId)
                return (new UTF8Encoding(false, throwOnInvalidBytes: true).GetString([.. bytes]), tokens);
            tokens.Add(chosen);
            bytes.AddRange(vocabulary.BytesOf(chosen).Span);
        }
        throw new InvalidOperationException($"No end after {MaxTokens} tokens: {Encoding.UTF8.GetString([.. bytes])}");
    }

    /// <summary>Writes exactly these tokens, if the grammar allows them.</summary>
    /// <param name="grammar">A grammar at its start.</param>
    /// <param name="tokenIds">The tokens, without the end token.</param>
    /// <returns>How many of them it allowed; one more where it then also ended.</returns>
    public int Accepts(Grammar grammar, IReadOnlyList<int> tokenIds)
    {
        int accepted = 0;
        foreach (int wanted in tokenIds.Append(endTokenId))
        {
            Array.Clear(_scores);
            _scores[wanted] = 1;
            if (grammar.Choose(_scores) != wanted)
                break;
            accepted++;
        }
        return accepted;
    }

    /// <summary>Compiles a grammar; the caller disposes it first.</summary>
    /// <param name="guidance">The grammar.</param>
    public Grammar Compile(Guidance guidance) => _model.Create(guidance, MaxTokens);

    public void Dispose() => _model.Dispose();

    private static int NextOf(IReadOnlyList<int> closing, List<int> tokens)
    {
        int length = Math.Min(closing.Count - 1, tokens.Count);
        while (!tokens.TakeLast(length).SequenceEqual(closing.Take(length)))
            length--;
        return closing[length];
    }
}
