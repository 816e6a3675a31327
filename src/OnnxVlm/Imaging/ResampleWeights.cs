using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>
/// The weights of one pass: for each new pixel the first source pixel and the fixed-point weights from there on.
/// Follows <c>precompute_coeffs</c> and <c>normalize_coeffs_8bpc</c> of Pillow's Resample.c operation by operation, so that the rounding is the same.
/// </summary>
internal sealed class ResampleWeights
{
    /// <summary>Fraction bits of a weight: 32 minus 8 for a byte and 2 for the overshoot of the cubic filter.</summary>
    public const int PrecisionBits = 32 - 8 - 2;

    private readonly int[] _first;
    private readonly int[] _count;
    private readonly int[] _weights;
    private readonly int _stride;

    private ResampleWeights(int length, int stride)
    {
        _first = new int[length];
        _count = new int[length];
        _weights = new int[checked(length * stride)];
        _stride = stride;
    }

    /// <summary>Number of new pixels.</summary>
    public int Length => _first.Length;

    /// <summary>The weights of new pixel <paramref name="index"/>; the first belongs to source pixel <paramref name="first"/>.</summary>
    public ReadOnlySpan<int> Of(int index, out int first)
    {
        first = _first[index];
        return _weights.AsSpan(index * _stride, _count[index]);
    }

    public static ResampleWeights Compute(int sourceLength, int length, ResizeFilter filter)
    {
        double scale = (double)sourceLength / length;
        double filterScale = Math.Max(scale, 1);
        double support = (filter == ResizeFilter.Bicubic ? 2 : 1) * filterScale;
        int stride = (int)Math.Ceiling(support) * 2 + 1;
        var weights = new ResampleWeights(length, stride);
        double[] exact = new double[stride];
        double inverse = 1 / filterScale;
        for (int i = 0; i < length; i++)
        {
            double center = (i + 0.5) * scale;
            int first = Math.Max((int)(center - support + 0.5), 0);
            int count = Math.Min((int)(center + support + 0.5), sourceLength) - first;
            double sum = 0;
            for (int k = 0; k < count; k++)
            {
                double x = Math.Abs((k + first - center + 0.5) * inverse);
                exact[k] = filter == ResizeFilter.Bicubic ? Cubic(x) : Math.Max(1 - x, 0);
                sum += exact[k];
            }

            weights._first[i] = first;
            weights._count[i] = count;
            for (int k = 0; k < count; k++)
                weights._weights[i * stride + k] = ToFixedPoint(sum != 0 ? exact[k] / sum : exact[k]);
        }

        return weights;
    }

    private static double Cubic(double x)
    {
        const double A = -0.5;
        if (x < 1)
            return ((A + 2) * x - (A + 3)) * x * x + 1;
        return x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
    }

    private static int ToFixedPoint(double weight) => (int)(weight * (1 << PrecisionBits) + (weight < 0 ? -0.5 : 0.5));
}
