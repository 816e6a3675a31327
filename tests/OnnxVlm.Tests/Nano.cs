using System.Runtime.CompilerServices;

namespace OnnxVlm.Tests;

/// <summary>The model that ships with the repository, loaded once for all tests.</summary>
[SetUpFixture]
internal sealed class Nano
{
    private static VlmModel? _model;

    public static string Root { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", ".."));

    public static string Folder { get; } = Path.Combine(Root, "onnx-models", "nano");

    public static string TestData { get; } = Path.Combine(Root, "tests", "data");

    public static string SampleImage { get; } = Path.Combine(TestData, "ocr", "images", "0001.png");

    public static VlmModel Model => _model!;

    [OneTimeSetUp]
    public void Load() => _model = VlmModel.Load(Folder);

    [OneTimeTearDown]
    public void Dispose() => _model?.Dispose();

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
