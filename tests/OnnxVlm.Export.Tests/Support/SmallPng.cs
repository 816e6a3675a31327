using System.Buffers.Binary;
using System.IO.Compression;
using OnnxVlm.Imaging;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>Decodes PNGs of 8-bit RGB without interlace, as the reference images of tests/data are, so that these tests need no native decoder.</summary>
internal sealed class SmallPng : IImageDecoder
{
    public IReadOnlyList<ImageFormat> Formats => [ImageFormat.Png];

    public RgbImage Decode(ReadOnlySpan<byte> encoded, ImageHeader header) => Decode(encoded);

    public static RgbImage Decode(ReadOnlySpan<byte> file)
    {
        int width = BinaryPrimitives.ReadInt32BigEndian(file[16..]), height = BinaryPrimitives.ReadInt32BigEndian(file[20..]);
        Assert.That(file[24..29].ToArray(), Is.EqualTo(new byte[] { 8, 2, 0, 0, 0 }), "8-bit RGB");
        MemoryStream data = new();
        for (int at = 8; at < file.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(file[at..]);
            if (file.Slice(at + 4, 4).SequenceEqual("IDAT"u8))
                data.Write(file.Slice(at + 8, length));
            at += length + 12;
        }

        data.Position = 0;
        using ZLibStream inflated = new(data, CompressionMode.Decompress);
        int stride = 3 * width;
        byte[] pixels = new byte[height * stride];
        for (int y = 0; y < height; y++)
        {
            int filter = inflated.ReadByte();
            inflated.ReadExactly(pixels.AsSpan(y * stride, stride));
            for (int x = 0; x < stride; x++)
            {
                int left = x < 3 ? 0 : pixels[(y * stride) + x - 3], up = y == 0 ? 0 : pixels[((y - 1) * stride) + x], corner = x < 3 || y == 0 ? 0 : pixels[((y - 1) * stride) + x - 3];
                pixels[(y * stride) + x] += (byte)(filter switch { 1 => left, 2 => up, 3 => (left + up) / 2, 4 => Nearest(left, up, corner), _ => 0 });
            }
        }

        return new RgbImage(width, height, pixels);
    }

    private static int Nearest(int left, int up, int corner)
    {
        int guess = left + up - corner, toLeft = Math.Abs(guess - left), toUp = Math.Abs(guess - up), toCorner = Math.Abs(guess - corner);
        return toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner;
    }
}
