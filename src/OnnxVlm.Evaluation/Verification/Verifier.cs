using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Evaluation.Verification;

/// <summary>The result of the comparison of one case.</summary>
/// <param name="Rows">Rows of logits that were compared.</param>
/// <param name="AllRows">Rows of the reference; those inside an image are not visible from outside the graph.</param>
/// <param name="MaxDifference">The largest absolute difference of a logit.</param>
/// <param name="TokensEqual">Whether the greedy continuation equals the reference's.</param>
internal sealed record Comparison(int Rows, int AllRows, double MaxDifference, bool TokensEqual);

/// <summary>Compares a model with reference outputs: the whole prompt at once, token by token with the cache, and the greedy continuation.</summary>
internal static class Verifier
{
    public static Comparison Compare(VlmModel model, ReferenceCase reference)
    {
        int length = reference.Segments.Sum(segment => segment.TokenIds.Length);
        int maxPatches = reference.Segments.Sum(segment => segment.Image?.Count ?? 0);
        using VlmSequence sequence = model.CreateSequence(Math.Min(model.Manifest.ContextLength, length + reference.Tokens.Length + 1), maxPatches);

        // One pass over the prompt produces its last row.
        sequence.Append(reference.Segments);
        double difference = Difference(sequence.NextLogits(), reference.Logits, length - 1, reference.VocabularySize);
        (double generated, bool tokensEqual) = CompareContinuation(sequence, reference);
        difference = Math.Max(difference, generated);

        // Piece by piece produces every row, except those inside an image.
        sequence.RewindTo(0);
        int rows = 0;
        foreach (PromptSegment piece in reference.Segments.SelectMany(Pieces))
        {
            sequence.Append(piece);
            difference = Math.Max(difference, Difference(sequence.NextLogits(), reference.Logits, sequence.Length - 1, reference.VocabularySize));
            rows++;
        }
        return new Comparison(rows, length, difference, tokensEqual);
    }

    // Continues with the reference's tokens, so that all later rows stay comparable after a token that differs.
    private static (double Difference, bool TokensEqual) CompareContinuation(VlmSequence sequence, ReferenceCase reference)
    {
        double difference = 0;
        bool equal = true;
        for (int i = 0; i < reference.Tokens.Length; i++)
        {
            float[] logits = sequence.NextLogits();
            difference = Math.Max(difference, Difference(logits, reference.GeneratedLogits, i, reference.VocabularySize));
            equal &= Array.IndexOf(logits, logits.Max()) == reference.Tokens[i];
            if (i + 1 < reference.Tokens.Length)
                sequence.Append(new PromptSegment(reference.Tokens.AsMemory(i, 1)));
        }
        return (difference, equal);
    }

    private static IEnumerable<PromptSegment> Pieces(PromptSegment segment) => segment.Image is not null
        ? [segment]
        : Enumerable.Range(0, segment.TokenIds.Length).Select(i => new PromptSegment(segment.TokenIds.Slice(i, 1)));

    private static double Difference(ReadOnlySpan<float> logits, float[] reference, int row, int width)
    {
        double max = 0;
        for (int i = 0; i < width; i++)
        {
            double difference = Math.Abs((double)logits[i] - reference[(row * width) + i]);
            // NaN must not pass as no difference.
            max = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(max, difference);
        }
        return max;
    }
}
