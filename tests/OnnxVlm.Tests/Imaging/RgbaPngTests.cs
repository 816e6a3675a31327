using System.Buffers.Binary;
using System.IO.Compression;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Imaging;

public sealed class RgbaPngTests
{
    private static readonly ImageRules Rules = new()
    {
        PatchSize = 4,
        PatchLayout = PatchLayout.RowColumnChannel,
        Resize = new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bicubic, MaxPatches = 1000 },
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        Alpha = AlphaMode.WhiteIfTransparent,
        HasPositions = false,
        Tokens = new ImageTokens { Placeholder = 1 },
    };

    [Test]
    public void Decode_SomeWhollyTransparent_LaidOverWhite([Range(0, 4)] int filter, [Values(8, 16)] int bits)
    {
        byte[] rgba = Noise(13, 9);
        (rgba[3], rgba[7]) = (0, 1);
        byte[] pixels = Decode(Png(13, 9, rgba, bits, filter));
        using (Assert.EnterMultipleScope())
        {
            for (int i = 0; i < pixels.Length; i++)
            {
                double alpha = rgba[(i / 3 * 4) + 3] / 255.0, exact = (rgba[(i / 3 * 4) + (i % 3)] * alpha) + (255 * (1 - alpha));
                Assert.That(pixels[i], Is.EqualTo(exact).Within(0.51), $"pixel {i / 3}, channel {i % 3}");
            }
        }
    }

    [Test]
    public void Decode_NoneOrAllWhollyTransparent_ColoursAsTheyAre([Values(false, true)] bool all)
    {
        byte[] rgba = Noise(13, 9);
        for (int i = 3; i < rgba.Length; i += 4)
            rgba[i] = (byte)(all ? 0 : Math.Max(rgba[i], (byte)1));
        Assert.That(Decode(Png(13, 9, rgba, 8, filter: 4)), Is.EqualTo(rgba.Where((_, i) => i % 4 != 3)));
    }

    [Test]
    public void Decode_OtherRulesOrOtherImages_LeftToTheDecoder()
    {
        byte[] rgba = Noise(13, 9);
        rgba[3] = 0;
        using var decoder = new OrtImageDecoder();
        RgbImage dropped = new ImagePreprocessor(Rules with { Alpha = null }, new ImageLimits(), decoder).Decode(Png(13, 9, rgba, 8, filter: 0));
        RgbImage grey = new ImagePreprocessor(Rules, new ImageLimits(), decoder).Decode(ImagingData.Read("decode/grey_alpha.png"));
        Assert.That(dropped.Pixels.ToArray(), Is.EqualTo(rgba.Where((_, i) => i % 4 != 3)));
        Assert.That(grey.Pixels.ToArray(), Is.EqualTo(ImagingData.Read("decode/grey_alpha.png.rgb")));
    }

    [TestCase(5, "a filter 5")]
    [TestCase(-1, "cannot be decoded")]
    public void Decode_DamagedData_ThrowsInvalidImage(int filter, string message)
    {
        byte[] rgba = Noise(13, 9);
        byte[] png = filter < 0 ? Png(13, 9, rgba[..200], 8, 0) : Png(13, 9, rgba, 8, filter);
        Assert.That(() => Decode(png), Throws.TypeOf<InvalidImageException>().With.Message.Contains(message));
    }

    private static byte[] Decode(byte[] png)
    {
        using var decoder = new OrtImageDecoder();
        return new ImagePreprocessor(Rules, new ImageLimits(), decoder).Decode(png).Pixels.ToArray();
    }

    private static byte[] Noise(int width, int height)
    {
        byte[] rgba = new byte[4 * width * height];
        new Random(5).NextBytes(rgba);
        return rgba;
    }

    /// <summary>A PNG of colours with transparency in two IDAT chunks, each row with the same filter; 16 bits have noise in the lower half.</summary>
    private static byte[] Png(int width, int height, byte[] rgba, int bits, int filter)
    {
        int sample = bits / 8, pixel = 4 * sample;
        byte[] wide = [.. rgba.SelectMany((value, i) => sample == 1 ? new[] { value } : [value, (byte)(i * 37)])];
        int line = width * pixel;
        MemoryStream rows = new();
        using (ZLibStream zlib = new(rows, CompressionLevel.Optimal, leaveOpen: true))
        {
            for (int y = 0; y * line < wide.Length; y++)
            {
                zlib.WriteByte((byte)filter);
                for (int i = y * line; i < Math.Min((y + 1) * line, wide.Length); i++)
                {
                    bool first = i % line < pixel;
                    int a = first ? 0 : wide[i - pixel], b = y == 0 ? 0 : wide[i - line], c = first || y == 0 ? 0 : wide[i - line - pixel];
                    zlib.WriteByte((byte)(wide[i] - (filter switch { 1 => a, 2 => b, 3 => (a + b) / 2, 4 => Nearest(a, b, c), _ => 0 })));
                }
            }
        }

        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = ((byte)bits, 6);
        byte[] data = rows.ToArray();
        return [0x89, .. "PNG\r\n\x1a\n"u8, .. Chunk("IHDR"u8, header), .. Chunk("IDAT"u8, data[..20]), .. Chunk("IDAT"u8, data[20..]), .. Chunk("IEND"u8, [])];
    }

    private static int Nearest(int a, int b, int c)
    {
        int p = a + b - c;
        return new[] { a, b, c }.MinBy(x => Math.Abs(p - x));
    }

    private static byte[] Chunk(ReadOnlySpan<byte> type, byte[] data)
    {
        byte[] length = new byte[4], crc = new byte[4], typed = [.. type, .. data];
        BinaryPrimitives.WriteInt32BigEndian(length, data.Length);
        BinaryPrimitives.WriteUInt32BigEndian(crc, Crc(typed));
        return [.. length, .. typed, .. crc];
    }

    private static uint Crc(byte[] bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in bytes)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
        }

        return ~crc;
    }
}
