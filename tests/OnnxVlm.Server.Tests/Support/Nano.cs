using System.Runtime.CompilerServices;

namespace OnnxVlm.Server.Tests.Support;

/// <summary>The model that ships with the repository, and an image for it.</summary>
internal static class Nano
{
    public static string Root { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", "..", ".."));

    public static string Folder { get; } = Path.Combine(Root, "onnx-models", "nano");

    public static string SampleImage { get; } = Path.Combine(Root, "tests", "data", "ocr", "images", "0001.png");

    /// <summary>The image as a data URI.</summary>
    public static string SampleUri { get; } = $"data:image/png;base64,{Convert.ToBase64String(File.ReadAllBytes(SampleImage))}";

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
