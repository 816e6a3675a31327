namespace OnnxVlm.Models;

/// <summary>
/// The model that this package brings. A build copies its files beside the program, into <c>onnx-models/nano</c>; what it can do and how it was made is in the <c>README.md</c> there.
/// </summary>
public static class NanoModel
{
    /// <summary>The model folder, for <c>VlmModel.Load</c>: an absolute path.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "onnx-models", "nano");

    /// <summary>A picture of a few words to ask the model about: an absolute path to a PNG file.</summary>
    public static string SampleImage { get; } = Path.Combine(Folder, "sample.png");
}
