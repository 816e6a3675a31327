using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using OnnxVlm.Export;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub;

/// <summary>
/// How a model is stored: <c>int4</c>, <c>int4-128</c> (blocks of 128 weights), <c>int4-cuda</c> (a graph for that device). Immutable.
/// </summary>
public sealed record ModelVariant
{
    private const int UsualBlockSize = 32;

    /// <summary>Storage of the weights.</summary>
    public required Precision Precision { get; init; }

    /// <summary>Weights that share a scale, for int8 and int4: 32 (default), 64 or 128.</summary>
    public int BlockSize { get; init; } = UsualBlockSize;

    /// <summary>The device that the graph is for. Default the CPU.</summary>
    public Device Device { get; init; } = Device.Cpu;

    /// <summary>Reads a variant.</summary>
    /// <param name="text">The variant as <see cref="ToString"/> writes it.</param>
    /// <param name="variant">The variant read; null where the text is not a variant.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ModelVariant? variant)
    {
        variant = null;
        string[] parts = text?.Split('-') ?? [];
        int precision = parts.Length == 0 ? -1 : ModelManifest.Precisions.ToList().IndexOf(parts[0]);
        if (precision < 0)
            return false;
        ModelVariant read = new() { Precision = (Precision)precision };
        int next = 1;
        if (next < parts.Length && read.Precision is Precision.Int8 or Precision.Int4
            && int.TryParse(parts[next], NumberStyles.None, CultureInfo.InvariantCulture, out int blockSize) && blockSize is 32 or 64 or 128)
            (read, next) = (read with { BlockSize = blockSize }, next + 1);
        if (next < parts.Length && parts[next] is "cuda" or "directml")
            (read, next) = (read with { Device = parts[next] == "cuda" ? Device.Cuda : Device.DirectMl }, next + 1);
        variant = next == parts.Length ? read : null;
        return variant is not null;
    }

    /// <summary>The precision, followed by everything that differs from the default.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{ModelManifest.Precisions[(int)Precision]}{(BlockSize == UsualBlockSize ? "" : $"-{BlockSize}")}" +
        $"{(Device == Device.Cpu ? "" : "-" + Device.ToString().ToLowerInvariant())}");
}
