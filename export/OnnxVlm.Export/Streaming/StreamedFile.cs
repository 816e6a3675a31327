using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Streaming;

/// <summary>A weight file whose header was read.</summary>
/// <param name="File">The file.</param>
/// <param name="HeaderBytes">Its first bytes, up to the first tensor.</param>
/// <param name="Header">The header.</param>
internal sealed record StreamedFile(CheckpointFile File, ReadOnlyMemory<byte> HeaderBytes, SafetensorsHeader Header);
