using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace OnnxVlm.Evaluation.Verification;

/// <summary>Reads NumPy's <c>.npy</c> files: little-endian, C order, the element types that reference outputs use.</summary>
internal static partial class NpyFile
{
    /// <summary>Reads an array.</summary>
    /// <typeparam name="T">float, long or byte.</typeparam>
    /// <param name="path">The file.</param>
    /// <returns>Dimensions and elements.</returns>
    /// <exception cref="VlmException">The file is not an array of this type.</exception>
    public static (int[] Shape, T[] Data) Read<T>(string path)
        where T : unmanaged
    {
        byte[] file = File.ReadAllBytes(path);
        if (file.Length < 12 || file[0] != 0x93 || !file.AsSpan(1, 5).SequenceEqual("NUMPY"u8))
            throw new VlmException($"{path} is not a .npy file.");
        int headerStart = file[6] == 1 ? 10 : 12;
        int headerLength = file[6] == 1 ? BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(8)) : BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(8));
        string header = Encoding.ASCII.GetString(file, headerStart, headerLength);

        string expected = typeof(T) == typeof(float) ? "<f4" : typeof(T) == typeof(long) ? "<i8" : "|u1";
        if (!header.Contains($"'{expected}'", StringComparison.Ordinal) || !header.Contains("'fortran_order': False", StringComparison.Ordinal))
            throw new VlmException($"{path}: expected an array of {expected} in C order, found {header.Trim()}.");
        int[] shape = [.. Number().Matches(header[header.IndexOf("'shape'", StringComparison.Ordinal)..]).Select(
            m => int.Parse(m.Value, CultureInfo.InvariantCulture))];
        T[] data = MemoryMarshal.Cast<byte, T>(file.AsSpan(headerStart + headerLength)).ToArray();
        return data.Length == shape.Aggregate(1, (a, b) => a * b)
            ? (shape, data)
            : throw new VlmException($"{path} is truncated: its shape is [{string.Join(", ", shape)}].");
    }

    [GeneratedRegex(@"\d+")]
    private static partial Regex Number();
}
