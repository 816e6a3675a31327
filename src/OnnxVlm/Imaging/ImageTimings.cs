namespace OnnxVlm.Imaging;

/// <summary>How long the stages of preprocessing one image took.</summary>
/// <param name="Decode">Header, limits, decoding and orientation.</param>
/// <param name="Resize">Resampling; almost zero where the image keeps its size.</param>
/// <param name="Cut">Padding and cutting into patches.</param>
public readonly record struct ImageTimings(TimeSpan Decode, TimeSpan Resize, TimeSpan Cut);
