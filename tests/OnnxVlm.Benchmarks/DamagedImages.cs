using System.Buffers.Binary;
using OnnxVlm.Imaging;

namespace OnnxVlm.Benchmarks;

/// <summary>
/// Damaged images from whole ones: changed bytes, cuts, runs of one value, doubled pieces. Every second PNG gets right checksums again, so that the damage reaches the decoder. The same seed gives the same images.
/// </summary>
internal static class DamagedImages
{
    /// <summary>The kinds of files that are damaged, by the end of their name.</summary>
    public static IReadOnlyList<string> Kinds { get; } = [".png", ".jpg", "progressive.jpg", ".gif", ".webp", ".bmp"];

    /// <summary>Makes damaged images, the kinds in turns.</summary>
    /// <param name="folders">Folders with whole images.</param>
    /// <param name="count">How many.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <returns>What was damaged, and the bytes.</returns>
    public static IEnumerable<(string Name, byte[] Encoded)> Create(IEnumerable<string> folders, int count, int seed)
    {
        string[] files = [.. folders.SelectMany(Directory.GetFiles).Order(StringComparer.Ordinal)];
        (string Name, byte[] Encoded)[][] kinds = [.. Kinds.Select(kind => files.Where(file => IsOf(kind, file)).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file))).ToArray())];
        var random = new Random(seed);
        for (int i = 0; i < count; i++)
        {
            (string name, byte[] whole) = random.GetItems(kinds[i % kinds.Length], 1)[0];
            byte[] damaged = Damage(whole, random);
            if (i / kinds.Length % 2 == 0 && name.EndsWith(".png", StringComparison.Ordinal))
                MendChecksums(damaged);
            yield return ($"{i}: {name}", damaged);
        }
    }

    /// <summary>Decodes one with the default limits.</summary>
    /// <returns>Whether it was decoded; otherwise it was refused with <see cref="InvalidImageException"/>. Anything else is thrown.</returns>
    public static bool TryDecode(ImagePreprocessor preprocessor, byte[] encoded)
    {
        try
        {
            preprocessor.Decode(encoded);
            return true;
        }
        catch (InvalidImageException)
        {
            return false;
        }
    }

    private static bool IsOf(string kind, string file) =>
        file.EndsWith(kind, StringComparison.Ordinal) && (kind != ".jpg" || !file.EndsWith("progressive.jpg", StringComparison.Ordinal));

    private static byte[] Damage(byte[] whole, Random random)
    {
        byte[] damaged = [.. whole];
        int at = random.Next(whole.Length), length = random.Next(1, Math.Min(64, whole.Length - at) + 1);
        switch (random.Next(6))
        {
            case 0:
                return damaged[..at];
            case 1:
                damaged.AsSpan(at, length).Fill((byte)random.Next(256));
                return damaged;
            case 2:
                return [.. damaged[..at], .. damaged[at..(at + length)], .. damaged[at..]];
            case 3:
                random.NextBytes(damaged.AsSpan(at, length));
                return damaged;
            default:
                for (int change = random.Next(1, 5); change > 0; change--)
                    damaged[random.Next(2) == 0 ? random.Next(whole.Length) : random.Next(Math.Min(whole.Length, 64))] = (byte)random.Next(256);
                return damaged;
        }
    }

    /// <summary>Writes the checksum of each chunk anew, as far as the lengths lead.</summary>
    private static void MendChecksums(Span<byte> png)
    {
        for (int at = 8; at <= png.Length - 12;)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(png[at..]);
            if (length > png.Length - at - 12)
                return;
            BinaryPrimitives.WriteUInt32BigEndian(png[(at + 8 + (int)length)..], Crc(png.Slice(at + 4, 4 + (int)length)));
            at += 12 + (int)length;
        }
    }

    /// <summary>ISO/IEC 15948, annex D.</summary>
    private static uint Crc(ReadOnlySpan<byte> bytes)
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
