namespace OnnxVlm.Export;

/// <summary>How far an export is.</summary>
/// <param name="Step">What is being written: the name of a weight, or of a file.</param>
/// <param name="BytesDone">Bytes of the step's file written so far.</param>
/// <param name="BytesTotal">Bytes of the whole file.</param>
public readonly record struct ExportProgress(string Step, long BytesDone, long BytesTotal);
