using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>
/// Resizes RGB images with exactly the results of Pillow's <c>Image.resize</c> (libImaging/Resample.c), which the models were trained with. A horizontal pass
/// and then a vertical pass compute weighted sums in 22-bit fixed point, rounded to uint8; a pass that would not change its side is left out. Thread-safe.
/// </summary>
public static class Resampler
{
    private const int Round = 1 << (ResampleWeights.PrecisionBits - 1);

    /// <summary>Resizes an image.</summary>
    /// <param name="image">The source.</param>
    /// <param name="widthPx">New width in pixels, 1 or more.</param>
    /// <param name="heightPx">New height in pixels, 1 or more.</param>
    /// <param name="filter">The filter.</param>
    /// <returns>A new image, or <paramref name="image"/> itself when it already has that size.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="image"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A side is less than 1, or the filter is unknown.</exception>
    /// <exception cref="OverflowException">The new image would have 2 GiB or more.</exception>
    public static RgbImage Resize(RgbImage image, int widthPx, int heightPx, ResizeFilter filter)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentOutOfRangeException.ThrowIfLessThan(widthPx, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(heightPx, 1);
        if (!Enum.IsDefined(filter))
            throw new ArgumentOutOfRangeException(nameof(filter), $"expected bilinear or bicubic, found {filter}");
        if (widthPx == image.WidthPx && heightPx == image.HeightPx)
            return image;

        byte[] pixels = GC.AllocateUninitializedArray<byte>(checked(3 * widthPx * heightPx));
        ReadOnlySpan<byte> source = image.Pixels.Span;
        if (heightPx == image.HeightPx)
        {
            ResizeRows(source, pixels, image.HeightPx, ResampleWeights.Compute(image.WidthPx, widthPx, filter));
        }
        else if (widthPx == image.WidthPx)
        {
            ResizeColumns(source, pixels, 3 * widthPx, ResampleWeights.Compute(image.HeightPx, heightPx, filter));
        }
        else
        {
            int betweenBytes = checked(3 * widthPx * image.HeightPx);
            byte[] between = ArrayPool<byte>.Shared.Rent(betweenBytes);
            ResizeRows(source, between.AsSpan(0, betweenBytes), image.HeightPx, ResampleWeights.Compute(image.WidthPx, widthPx, filter));
            ResizeColumns(between.AsSpan(0, betweenBytes), pixels, 3 * widthPx, ResampleWeights.Compute(image.HeightPx, heightPx, filter));
            ArrayPool<byte>.Shared.Return(between);
        }

        double reduction = image.Reduction * Math.Max((double)image.WidthPx / widthPx, (double)image.HeightPx / heightPx);
        return new RgbImage(widthPx, heightPx, pixels) { DropsTransparency = image.DropsTransparency, Reduction = reduction };
    }

    /// <summary>The horizontal pass: [height, source width, 3] to [height, new width, 3].</summary>
    private static void ResizeRows(ReadOnlySpan<byte> source, Span<byte> destination, int heightPx, ResampleWeights weights)
    {
        int sourceStride = source.Length / heightPx;
        int stride = destination.Length / heightPx;
        int y = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            // A vector load reads one byte more than a pixel has, so the last row is left to the scalar loop.
            for (; y + 4 < heightPx; y += 4)
                ResizeFourRows(ref MemoryMarshal.GetReference(source.Slice(y * sourceStride, 4 * sourceStride + 1)), sourceStride,
                    destination.Slice(y * stride, 4 * stride), stride, weights);
        }

        for (; y < heightPx; y++)
            ResizeRow(source.Slice(y * sourceStride, sourceStride), destination.Slice(y * stride, stride), weights);
    }

    private static void ResizeRow(ReadOnlySpan<byte> source, Span<byte> destination, ResampleWeights weights)
    {
        for (int x = 0; x < weights.Length; x++)
        {
            ReadOnlySpan<int> w = weights.Of(x, out int first);
            ReadOnlySpan<byte> window = source.Slice(3 * first, 3 * w.Length);
            int r = Round, g = Round, b = Round;
            for (int i = 0; i < w.Length; i++)
            {
                r += window[3 * i] * w[i];
                g += window[3 * i + 1] * w[i];
                b += window[3 * i + 2] * w[i];
            }

            destination[3 * x] = Clip(r);
            destination[3 * x + 1] = Clip(g);
            destination[3 * x + 2] = Clip(b);
        }
    }

    /// <summary>Four rows at a time: they share the weights, and their sums (lanes red, green, blue, unused) are independent of each other.</summary>
    private static void ResizeFourRows(ref byte source, int sourceStride, Span<byte> destination, int stride, ResampleWeights weights)
    {
        Span<byte> row0 = destination[..stride];
        Span<byte> row1 = destination.Slice(stride, stride);
        Span<byte> row2 = destination.Slice(2 * stride, stride);
        Span<byte> row3 = destination.Slice(3 * stride, stride);
        for (int x = 0; x < weights.Length; x++)
        {
            ReadOnlySpan<int> w = weights.Of(x, out int first);
            ref byte pixel = ref Unsafe.Add(ref source, 3 * first);
            Vector128<int> sum0 = Vector128.Create(Round), sum1 = sum0, sum2 = sum0, sum3 = sum0;
            for (int i = 0; i < w.Length; i++)
            {
                Vector128<int> weight = Vector128.Create(w[i]);
                sum0 += weight * Widen(ref pixel);
                sum1 += weight * Widen(ref Unsafe.Add(ref pixel, sourceStride));
                sum2 += weight * Widen(ref Unsafe.Add(ref pixel, 2 * sourceStride));
                sum3 += weight * Widen(ref Unsafe.Add(ref pixel, 3 * sourceStride));
                pixel = ref Unsafe.Add(ref pixel, 3);
            }

            Store(sum0, row0.Slice(3 * x, 3));
            Store(sum1, row1.Slice(3 * x, 3));
            Store(sum2, row2.Slice(3 * x, 3));
            Store(sum3, row3.Slice(3 * x, 3));
        }
    }

    /// <summary>The vertical pass: rows of <paramref name="stride"/> bytes, each new row a weighted sum of old ones.</summary>
    private static void ResizeColumns(ReadOnlySpan<byte> source, Span<byte> destination, int stride, ResampleWeights weights)
    {
        for (int y = 0; y < weights.Length; y++)
        {
            ReadOnlySpan<int> w = weights.Of(y, out int first);
            ReadOnlySpan<byte> rows = source.Slice(first * stride, w.Length * stride);
            Span<byte> row = destination.Slice(y * stride, stride);
            int x = 0;
            if (Vector.IsHardwareAccelerated)
            {
                for (; x <= stride - Vector<byte>.Count; x += Vector<byte>.Count)
                    SumColumns(rows, stride, x, w).CopyTo(row[x..]);
            }

            for (; x < stride; x++)
            {
                int sum = Round;
                for (int i = 0; i < w.Length; i++)
                    sum += rows[i * stride + x] * w[i];
                row[x] = Clip(sum);
            }
        }
    }

    /// <summary>A vector of adjacent bytes of a new row.</summary>
    private static Vector<byte> SumColumns(ReadOnlySpan<byte> rows, int stride, int x, ReadOnlySpan<int> w)
    {
        Vector<int> sum0 = new(Round), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        for (int i = 0; i < w.Length; i++)
        {
            Vector<int> weight = new(w[i]);
            Vector.Widen(new Vector<byte>(rows[(i * stride + x)..]), out Vector<ushort> low, out Vector<ushort> high);
            Vector.Widen(low, out Vector<uint> a, out Vector<uint> b);
            Vector.Widen(high, out Vector<uint> c, out Vector<uint> d);
            sum0 += weight * Vector.AsVectorInt32(a);
            sum1 += weight * Vector.AsVectorInt32(b);
            sum2 += weight * Vector.AsVectorInt32(c);
            sum3 += weight * Vector.AsVectorInt32(d);
        }

        return Vector.Narrow(Vector.Narrow(Clip(sum0), Clip(sum1)), Vector.Narrow(Clip(sum2), Clip(sum3)));
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> ResampleWeights.PrecisionBits, 0, 255);

    private static Vector<uint> Clip(Vector<int> sum) =>
        Vector.AsVectorUInt32(Vector.Min(Vector.Max(sum >> ResampleWeights.PrecisionBits, Vector<int>.Zero), new Vector<int>(255)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Widen(ref byte pixel) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(ref pixel)).AsByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<int> sum, Span<byte> pixel)
    {
        sum = Vector128.Min(Vector128.Max(sum >> ResampleWeights.PrecisionBits, Vector128<int>.Zero), Vector128.Create(255));
        pixel[2] = (byte)sum.GetElement(2);
        pixel[1] = (byte)sum.GetElement(1);
        pixel[0] = (byte)sum.ToScalar();
    }
}
