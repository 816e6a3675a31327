namespace OnnxVlm.Export;

/// <summary>The quantization error of the matrices of one layer.</summary>
/// <param name="Layer">The layer's number; null for what is outside the layers: embedding and head.</param>
/// <param name="RelativeError">Root of (sum of squared errors / sum of squared weights) over its matrices; 0 is exact.</param>
/// <param name="Worst">The matrix with the largest relative error.</param>
public sealed record LayerReport(int? Layer, double RelativeError, TensorReport Worst);
