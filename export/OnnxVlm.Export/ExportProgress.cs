namespace OnnxVlm.Export;

/// <summary>The progress of an export.</summary>
/// <param name="Step">What is being done: the name of the weight that is written, or of the file whose hash is computed.</param>
/// <param name="BytesDone">Bytes of the step's file written or read so far.</param>
/// <param name="BytesTotal">Bytes of the whole file.</param>
public readonly record struct ExportProgress(string Step, long BytesDone, long BytesTotal);
