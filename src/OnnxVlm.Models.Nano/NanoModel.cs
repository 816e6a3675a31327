namespace OnnxVlm.Models;

/// <summary>
/// The model of this package. A build copies its files beside the program, into <c>onnx-models/nano</c>; the <c>README.md</c> there describes what it
/// can do and how it was made.
/// </summary>
public static class NanoModel
{
    /// <summary>The model folder, for <c>VlmModel.Load</c>: an absolute path.</summary>
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "onnx-models", "nano");

    /// <summary>A picture of a few words to ask the model about: an absolute path to a PNG file.</summary>
    public static string SampleImage { get; } = Path.Combine(Folder, "sample.png");
}
