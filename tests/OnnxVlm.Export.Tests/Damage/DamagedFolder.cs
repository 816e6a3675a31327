using System.Buffers.Binary;
using System.Text;

namespace OnnxVlm.Export.Tests.Damage;

/// <summary>Damages one file of a folder, as a broken download, a bad disk, an editor or an attacker would.</summary>
internal static class DamagedFolder
{
    private static readonly string[] OddValues =
        ["0", "-1", "1e400", "99999999999999999999", "2147483647", "16777216", "0.5", "null", "[]", "{}", "\"x\"", "true", "[0]", "1e-300"];

    /// <summary>Damages a file.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="random">Chooses the file and the damage.</param>
    /// <returns>The file's name and the damage.</returns>
    public static (string Name, string What) Damage(string folder, Random random)
    {
        string[] files = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal)];
        string path = files[random.Next(files.Length)], name = Path.GetFileName(path);
        byte[] bytes = File.ReadAllBytes(path);
        if (random.Next(50) == 0)
        {
            File.Delete(path);
            return (name, "deleted");
        }

        int header = name.EndsWith(".safetensors", StringComparison.Ordinal) && bytes.Length >= 8
            ? (int)Math.Min(BinaryPrimitives.ReadInt64LittleEndian(bytes), bytes.Length - 8)
            : 0;
        int most = header > 0 && random.Next(4) > 0 ? header + 8 : bytes.Length;
        (byte[] changed, string what) = random.Next(7) switch
        {
            0 when name.EndsWith(".json", StringComparison.Ordinal) => ChangeNumber(bytes, random),
            0 or 1 when header > 0 => ChangeHeader(bytes, header, random),
            2 => Cut(bytes, most, random),
            3 => Swap(bytes, most, random),
            4 => Insert(bytes, most, random),
            5 => Remove(bytes, most, random),
            _ => ChangeBytes(bytes, most, random),
        };
        File.WriteAllBytes(path, changed);
        return (name, what);
    }

    private static (byte[], string) ChangeBytes(byte[] bytes, int most, Random random)
    {
        byte[] changed = [.. bytes];
        StringBuilder what = new("bytes");
        for (int i = random.Next(1, 5); i > 0 && most > 0; i--)
        {
            int at = random.Next(most);
            changed[at] = random.Next(4) switch { 0 => 0xFF, 1 => (byte)"0123456789-.,:\"\\{}[]e"[random.Next(21)], _ => (byte)random.Next(256) };
            what.Append(System.Globalization.CultureInfo.InvariantCulture, $" {at}: {changed[at]:x2}");
        }

        return (changed, what.ToString());
    }

    private static (byte[], string) Cut(byte[] bytes, int most, Random random)
    {
        int length = random.Next(most + 1);
        return (bytes[..length], $"cut to {length}");
    }

    private static (byte[], string) Swap(byte[] bytes, int most, Random random)
    {
        int count = Math.Min(random.Next(1, 9), most / 2);
        if (count == 0)
            return (bytes, "too short to swap");
        int first = random.Next(most - (2 * count) + 1), second = random.Next(first + count, most - count + 1);
        return ([.. bytes[..first], .. bytes[second..(second + count)], .. bytes[(first + count)..second], .. bytes[first..(first + count)],
            .. bytes[(second + count)..]], $"{count} at {first} and {second} swapped");
    }

    private static (byte[], string) Insert(byte[] bytes, int most, Random random)
    {
        int at = random.Next(most + 1);
        byte[] more = new byte[random.Next(1, 5)];
        random.NextBytes(more);
        return ([.. bytes[..at], .. more, .. bytes[at..]], $"{Convert.ToHexStringLower(more)} put in at {at}");
    }

    private static (byte[], string) Remove(byte[] bytes, int most, Random random)
    {
        int at = random.Next(most + 1), count = Math.Min(random.Next(1, 9), bytes.Length - at);
        return ([.. bytes[..at], .. bytes[(at + count)..]], $"{count} taken out at {at}");
    }

    /// <summary>Replaces a number, true or false in the text by an odd value.</summary>
    private static (byte[], string) ChangeNumber(byte[] json, Random random)
    {
        string text = Encoding.UTF8.GetString(json);
        List<(int Start, int End)> values = [];
        for (int i = 0; i < text.Length; i++)
        {
            if (!"-0123456789tf".Contains(text[i], StringComparison.Ordinal) || i == 0 || !" :,[\n".Contains(text[i - 1], StringComparison.Ordinal))
                continue;
            int end = i;
            while (end < text.Length && !",]} \n".Contains(text[end], StringComparison.Ordinal))
                end++;
            values.Add((i, end));
        }

        if (values.Count == 0)
            return (json, "no number to change");
        (int start, int stop) = values[random.Next(values.Count)];
        string odd = OddValues[random.Next(OddValues.Length)];
        return (Encoding.UTF8.GetBytes(string.Concat(text.AsSpan(0, start), odd, text.AsSpan(stop))), $"{text[start..stop]} at {start}: {odd}");
    }

    /// <summary>Changes a number of a safetensors header and corrects the header's length.</summary>
    private static (byte[], string) ChangeHeader(byte[] bytes, int header, Random random)
    {
        (byte[] text, string what) = ChangeNumber(bytes[8..(8 + header)], random);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        return ([.. length, .. text, .. bytes[(8 + header)..]], $"header, {what}");
    }
}
