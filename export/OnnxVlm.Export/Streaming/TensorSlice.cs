using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Streaming;

/// <summary>Adjacent numbers of a tensor, in a piece that has arrived.</summary>
/// <param name="Piece">The piece.</param>
/// <param name="Tensor">The tensor.</param>
/// <param name="FirstElement">Index of the first number, row-major.</param>
/// <param name="Bytes">The numbers as stored in the file.</param>
internal readonly record struct TensorSlice(FilePiece Piece, CheckpointTensor Tensor, long FirstElement, ReadOnlyMemory<byte> Bytes);
