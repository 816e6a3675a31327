namespace OnnxVlm.Export;

/// <summary>What was measured of a layer's keys and values before they were to be cached in 8 bits.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="LargestKey">The largest absolute key.</param>
/// <param name="LargestValue">The largest absolute value.</param>
/// <param name="AttentionError">‖Δy‖ / ‖y‖ of the attention's answer y, with 8 bits against floats, over all tokens that were read.</param>
public sealed record CacheReport(int Layer, float LargestKey, float LargestValue, double AttentionError);
