using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxVlm.Export.Quantization;

/// <summary>
/// Quantization of one block: w ≈ scale · (code − zero), the arithmetic of ONNX Runtime's MatMulNBits. q = code − zero ranges from −zero to 2^bits −
/// 1 − zero; the zero point of a symmetric block is 2^(bits−1). With 8 bits, the largest weight becomes ±127; with a zero point, the weights use the
/// whole range. With 4 bits, a grid of scales is searched, of both signs or with several zero points, for the smallest squared error, and refined
/// around the best one. For given q the best scale is Σwq/Σq², which leaves the error Σw² − (Σwq)²/Σq², so one pass judges a candidate.
/// </summary>
internal static class BlockQuantizer
{
    /// <summary>
    /// Scales tried, as multiples of the one that just covers all weights: below 1 the largest weight is clipped, above 1 a part of the range is unused.
    /// </summary>
    private static readonly float[] Grid = [0.70f, 0.75f, 0.80f, 0.84f, 0.88f, 0.92f, 0.96f, 1.00f, 1.04f, 1.08f, 1.14f];

    private static readonly float[] Refinement = [0.985f, 1.015f, 0.993f, 1.007f];

    /// <summary>Zero points tried beside the one that covers all weights.</summary>
    private static readonly int[] ZeroOffsets = [0, -1, 1, -2, 2];

    private const int RefitPasses = 2;

    /// <summary>Quantizes a block around the middle of the range.</summary>
    /// <param name="weights">float32 <c>[n]</c>, finite.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="codes">Receives q as whole numbers, float32 <c>[n]</c>.</param>
    /// <returns>The scale; it can be negative (4 bits), and is 0 for a block of zeros.</returns>
    public static float Quantize(ReadOnlySpan<float> weights, int bits, Span<float> codes)
    {
        float extreme = weights[TensorPrimitives.IndexOfMaxMagnitude(weights)];
        if (extreme == 0)
        {
            codes.Clear();
            return 0;
        }

        if (bits == 8)
        {
            float scale = MathF.Abs(extreme) / 127;
            Round(weights, 1 / scale, -127, 127, codes);
            return scale;
        }

        Candidate best = default;
        foreach (float part in Grid)
        {
            float inverse = -8 / (extreme * part);
            best = Better(best, Judge(weights, inverse, zero: 8));
            best = Better(best, Judge(weights, -inverse, zero: 8));
        }

        return Finish(weights, best, codes);
    }

    /// <summary>Quantizes a block with a zero point of its own.</summary>
    /// <param name="weights">float32 <c>[n]</c>, finite.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="codes">Receives q as whole numbers, float32 <c>[n]</c>.</param>
    /// <returns>The scale, 0 for a block of zeros, and the zero point.</returns>
    public static (float Scale, int Zero) QuantizeAsymmetric(ReadOnlySpan<float> weights, int bits, Span<float> codes)
    {
        int largest = (1 << bits) - 1, middle = 1 << (bits - 1);
        float low = Math.Min(0, TensorPrimitives.Min(weights)), high = Math.Max(0, TensorPrimitives.Max(weights));
        if (high == low)
        {
            codes.Clear();
            return (0, middle);
        }

        float cover = largest / (high - low);
        int zero = Math.Clamp((int)MathF.Round(-low * cover), 0, largest);
        if (bits == 8)
        {
            // The rounded zero point puts an end of the range out of reach by up to half a step; a slightly larger scale reaches both ends.
            float inverse = MathF.Min(low < 0 ? zero / -low : float.MaxValue, high > 0 ? (largest - zero) / high : float.MaxValue);
            Round(weights, inverse, -zero, largest - zero, codes);
            return (1 / inverse, zero);
        }

        Candidate best = default;
        foreach (int offset in ZeroOffsets)
        {
            int candidate = zero + offset;
            if (candidate < 0 || candidate > largest)
                continue;
            foreach (float part in Grid)
                best = Better(best, Judge(weights, cover / part, candidate));
        }

        return (Finish(weights, best, codes), best.Zero);
    }

    /// <summary>The scale of plain rounding (largest weight to −8): the baseline for <see cref="Quantize"/>.</summary>
    public static float QuantizeNaively(ReadOnlySpan<float> weights, Span<float> codes)
    {
        float scale = weights[TensorPrimitives.IndexOfMaxMagnitude(weights)] / -8;
        Round(weights, scale == 0 ? 0 : 1 / scale, -8, 7, codes);
        return scale;
    }

    private static float Finish(ReadOnlySpan<float> weights, Candidate best, Span<float> codes)
    {
        float inverse = best.Inverse;
        foreach (float part in Refinement)
            best = Better(best, Judge(weights, inverse * part, best.Zero));

        // The refitted scale changes the codes of a few weights; refit again with these.
        for (int pass = 0; pass < RefitPasses && best.WeightedSum != 0; pass++)
            best = Better(best, Judge(weights, best.Squares / best.WeightedSum, best.Zero));
        Round(weights, best.Inverse, -best.Zero, 15 - best.Zero, codes);
        return best.Squares == 0 ? 0 : best.WeightedSum / best.Squares;
    }

    private static Candidate Better(Candidate a, Candidate b) => b.Gain > a.Gain ? b : a;

    /// <summary>Σwq and Σq² for q = round(w · inverse), clamped to 4 bits.</summary>
    private static Candidate Judge(ReadOnlySpan<float> weights, float inverse, int zero)
    {
        float lowest = -zero, highest = 15 - zero;
        ref float from = ref MemoryMarshal.GetReference(weights);
        Vector256<float> sums = Vector256<float>.Zero, squares = Vector256<float>.Zero;
        Vector256<float> factor = Vector256.Create(inverse), min = Vector256.Create(lowest), max = Vector256.Create(highest);
        int i = 0;
        for (; i <= weights.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            var w = Vector256.LoadUnsafe(ref from, (nuint)i);
            Vector256<float> q = Vector256.Min(Vector256.Max(Vector256.Round(w * factor), min), max);
            sums += w * q;
            squares += q * q;
        }

        float sum = Vector256.Sum(sums), square = Vector256.Sum(squares);
        for (; i < weights.Length; i++)
        {
            float q = Math.Clamp(MathF.Round(weights[i] * inverse), lowest, highest);
            sum += weights[i] * q;
            square += q * q;
        }

        return new Candidate(inverse, zero, sum, square);
    }

    private static void Round(ReadOnlySpan<float> weights, float inverse, float min, float max, Span<float> codes)
    {
        ref float from = ref MemoryMarshal.GetReference(weights);
        Vector256<float> factor = Vector256.Create(inverse), lowest = Vector256.Create(min), highest = Vector256.Create(max);
        int i = 0;
        for (; i <= weights.Length - Vector256<float>.Count; i += Vector256<float>.Count)
            Vector256.Min(Vector256.Max(Vector256.Round(Vector256.LoadUnsafe(ref from, (nuint)i) * factor), lowest), highest).CopyTo(codes[i..]);
        for (; i < weights.Length; i++)
            codes[i] = Math.Clamp(MathF.Round(weights[i] * inverse), min, max);
    }

    /// <summary>One scale, and how much of Σw² it explains.</summary>
    private readonly record struct Candidate(float Inverse, int Zero, float WeightedSum, float Squares)
    {
        public float Gain => Squares == 0 ? 0 : WeightedSum * WeightedSum / Squares;
    }
}
