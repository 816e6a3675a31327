namespace OnnxVlm.Export.Inspection;

/// <summary>Weights of one kind of layer that are stored in the same way.</summary>
/// <param name="Layer">What they are part of: embedding, attention, feed-forward, head, norm, patch projection, rotary tables.</param>
/// <param name="Storage">How they are stored, for example <c>int4, block 128</c>.</param>
/// <param name="Tensors">Number of matrices or vectors.</param>
/// <param name="Numbers">Number of weights; padding, scales and zero points do not count.</param>
/// <param name="SizeBytes">Bytes in the file, scales and zero points included.</param>
public sealed record WeightGroup(string Layer, string Storage, int Tensors, long Numbers, long SizeBytes);
