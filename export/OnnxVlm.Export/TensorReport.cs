namespace OnnxVlm.Export;

/// <summary>The quantization error of one weight.</summary>
/// <param name="Name">The weight's name in the graph.</param>
/// <param name="Bits">Bits per weight, without scales: 4 or 8.</param>
/// <param name="BlockSize">Weights that share a scale.</param>
/// <param name="RelativeError">Root of (sum of squared errors / sum of squared weights); 0 is exact.</param>
/// <param name="MaxError">Largest absolute error of a weight.</param>
public sealed record TensorReport(string Name, int Bits, int BlockSize, double RelativeError, double MaxError)
{
    /// <summary>The relative error that plain rounding in blocks of 32 would make, for comparison; null for 8 bits.</summary>
    public double? PlainError { get; init; }

    /// <summary>Sum of the squared weights, with which the errors of several weights are combined.</summary>
    internal double SquaredWeight { get; init; }

    /// <summary>The number after <c>layers.</c> in the name; null where there is none.</summary>
    internal int? Layer
    {
        get
        {
            string[] parts = Name.Split('.');
            int at = Array.IndexOf(parts, "layers");
            return at >= 0 && at + 1 < parts.Length && int.TryParse(parts[at + 1], out int layer) ? layer : null;
        }
    }
}
