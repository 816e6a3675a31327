using System.Buffers;
using System.Runtime.Intrinsics;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>Cuts an image into patches in one pass over its rows.</summary>
internal static class PatchCutter
{
    /// <summary>Cuts an image; the right and the bottom are padded to whole patches.</summary>
    public static PatchGrid Cut(RgbImage image, int p, PatchLayout layout, PaddingRule padding)
    {
        (int rows, int columns) = PatchShape.Cover(image.WidthPx, image.HeightPx, p);
        int runBytes = 3 * p;                       // one row of one patch
        int lineBytes = checked(columns * runBytes); // one row of all patches side by side
        byte[] patches = GC.AllocateUninitializedArray<byte>(checked(rows * p * lineBytes));
        byte[] scratch = ArrayPool<byte>.Shared.Rent(lineBytes);
        Span<byte> padded = scratch.AsSpan(0, lineBytes);

        for (int y = 0; y < rows * p; y++)
        {
            ReadOnlySpan<byte> line = PadLine(image, y, padding, padded);
            Span<byte> bandOfPatches = patches.AsSpan(y / p * p * lineBytes, p * lineBytes);
            for (int column = 0; column < columns; column++)
            {
                ReadOnlySpan<byte> run = line.Slice(column * runBytes, runBytes);
                Span<byte> patch = bandOfPatches.Slice(column * p * runBytes, p * runBytes);
                if (layout == PatchLayout.RowColumnChannel)
                    run.CopyTo(patch[(y % p * runBytes)..]);
                else
                    SplitChannels(run, patch[(y % p * p)..], planeBytes: p * p);
            }
        }

        ArrayPool<byte>.Shared.Return(scratch);
        return new PatchGrid(rows, columns, patches) { DropsTransparency = image.DropsTransparency, Reduction = image.Reduction };
    }

    /// <summary>Row <paramref name="y"/> of the padded image; a row of the image itself where no padding is needed.</summary>
    private static ReadOnlySpan<byte> PadLine(RgbImage image, int y, PaddingRule padding, Span<byte> padded)
    {
        bool constant = padding.Mode == PaddingMode.Constant;
        if (y >= image.HeightPx && constant)
        {
            padded.Fill((byte)padding.Value!.Value);
            return padded;
        }

        ReadOnlySpan<byte> row = image.Row(Math.Min(y, image.HeightPx - 1));
        if (row.Length == padded.Length)
            return row;
        row.CopyTo(padded);
        if (constant)
            padded[row.Length..].Fill((byte)padding.Value!.Value);
        else
            for (int i = row.Length; i < padded.Length; i++)
                padded[i] = padded[i - 3];
        return padded;
    }

    /// <summary>Splits RGBRGB… into a run each of R, G and B, <paramref name="planeBytes"/> apart.</summary>
    private static void SplitChannels(ReadOnlySpan<byte> run, Span<byte> planes, int planeBytes)
    {
        int pixels = run.Length / 3;
        for (int channel = 0; channel < 3; channel++)
        {
            Span<byte> plane = planes.Slice(channel * planeBytes, pixels);
            int x = 0;
            if (Vector128.IsHardwareAccelerated)
            {
                for (; x <= pixels - 16; x += 16)
                    TakeChannel(run.Slice(3 * x, 48), channel).CopyTo(plane[x..]);
            }

            for (; x < pixels; x++)
                plane[x] = run[3 * x + channel];
        }
    }

    /// <summary>
    /// One channel of 16 pixels: each third of the 48 bytes is shuffled into place (an index beyond 15 gives 0), and the three are merged.
    /// </summary>
    private static Vector128<byte> TakeChannel(ReadOnlySpan<byte> pixels, int channel)
    {
        // 0 to 47
        Vector128<byte> places = Vector128.Create((byte)0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45) + Vector128.Create((byte)channel);
        return Vector128.Shuffle(Vector128.Create(pixels[..16]), places)
            | Vector128.Shuffle(Vector128.Create(pixels.Slice(16, 16)), places - Vector128.Create((byte)16))
            | Vector128.Shuffle(Vector128.Create(pixels.Slice(32, 16)), places - Vector128.Create((byte)32));
    }
}
