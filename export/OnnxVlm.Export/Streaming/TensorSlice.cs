using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Streaming;

/// <summary>Neighbouring numbers of a tensor, in a piece that has come.</summary>
/// <param name="Piece">The piece.</param>
/// <param name="Tensor">The tensor.</param>
/// <param name="FirstElement">Index of the first number, row-major.</param>
/// <param name="Bytes">The numbers as they lie in the file.</param>
internal readonly record struct TensorSlice(Piece Piece, CheckpointTensor Tensor, long FirstElement, ReadOnlyMemory<byte> Bytes);
