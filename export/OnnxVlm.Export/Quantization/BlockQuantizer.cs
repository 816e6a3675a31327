using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxVlm.Export.Quantization;

/// <summary>
/// Symmetric quantization of one block: w ≈ scale · q with q from −2^(bits−1) to 2^(bits−1) − 1, the arithmetic of ONNX Runtime's MatMulNBits
/// without zero points. 8 bits: the largest weight becomes ±127. 4 bits: of a grid of scales, both signs, the one with the smallest squared error;
/// for given q the best scale is Σwq/Σq², which leaves the error Σw² − (Σwq)²/Σq², so one pass judges a candidate.
/// </summary>
internal static class BlockQuantizer
{
    /// <summary>Scales tried, as parts of the one that maps the largest weight to −8: below 1 it is clipped, above 1 a part of the range is not used.</summary>
    private static readonly float[] Grid = [0.70f, 0.75f, 0.80f, 0.84f, 0.88f, 0.92f, 0.96f, 1.00f, 1.04f, 1.08f, 1.14f];

    /// <summary>Quantizes a block.</summary>
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

        return Search(weights, extreme, codes);
    }

    /// <summary>The scale that plain rounding would take (largest weight to −8): the yardstick for <see cref="Quantize"/>.</summary>
    public static float QuantizeNaively(ReadOnlySpan<float> weights, Span<float> codes)
    {
        float scale = weights[TensorPrimitives.IndexOfMaxMagnitude(weights)] / -8;
        Round(weights, scale == 0 ? 0 : 1 / scale, -8, 7, codes);
        return scale;
    }

    private static float Search(ReadOnlySpan<float> weights, float extreme, Span<float> codes)
    {
        float bestGain = -1, bestInverse = 0;
        foreach (float part in Grid)
        {
            float inverse = -8 / (extreme * part);
            foreach (float candidate in (ReadOnlySpan<float>)[inverse, -inverse])
            {
                (float wq, float qq) = Judge(weights, candidate);
                float gain = qq == 0 ? 0 : wq * wq / qq;
                if (gain > bestGain)
                    (bestGain, bestInverse) = (gain, candidate);
            }
        }

        // The refitted scale moves a few weights to another code; with them, refit once more.
        (float sum, float squares) = Judge(weights, bestInverse);
        if (squares > 0 && sum != 0)
        {
            float refitted = squares / sum;
            (float sumAgain, float squaresAgain) = Judge(weights, refitted);
            if (squaresAgain > 0 && sumAgain * sumAgain / squaresAgain >= bestGain)
                (bestInverse, sum, squares) = (refitted, sumAgain, squaresAgain);
        }

        Round(weights, bestInverse, -8, 7, codes);
        return sum / squares;
    }

    /// <summary>Σwq and Σq² for q = round(w · inverse), clamped to 4 bits.</summary>
    private static (float WeightedSum, float Squares) Judge(ReadOnlySpan<float> weights, float inverse)
    {
        ref float from = ref MemoryMarshal.GetReference(weights);
        Vector256<float> sums = Vector256<float>.Zero, squares = Vector256<float>.Zero;
        Vector256<float> factor = Vector256.Create(inverse), min = Vector256.Create(-8f), max = Vector256.Create(7f);
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
            float q = Math.Clamp(MathF.Round(weights[i] * inverse), -8, 7);
            sum += weights[i] * q;
            square += q * q;
        }

        return (sum, square);
    }

    private static void Round(ReadOnlySpan<float> weights, float inverse, float min, float max, Span<float> codes)
    {
        for (int i = 0; i < weights.Length; i++)
            codes[i] = Math.Clamp(MathF.Round(weights[i] * inverse), min, max);
    }
}
