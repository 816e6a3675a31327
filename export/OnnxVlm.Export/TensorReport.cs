namespace OnnxVlm.Export;

/// <summary>What storing one weight cost in exactness.</summary>
/// <param name="Name">The weight's name in the graph.</param>
/// <param name="Bits">Bits a weight, without scales: 4 or 8.</param>
/// <param name="BlockSize">Weights that share a scale.</param>
/// <param name="RelativeError">Root of (sum of squared errors / sum of squared weights); 0 is exact.</param>
/// <param name="MaxError">Largest absolute error of a weight.</param>
public sealed record TensorReport(string Name, int Bits, int BlockSize, double RelativeError, double MaxError)
{
    /// <summary>The relative error that plain rounding in blocks of 32 would make, for comparison; null for 8 bits.</summary>
    public double? PlainError { get; init; }
}
