using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Export;
using OnnxVlm.Generation;

namespace OnnxVlm.Tests.Exporting;

/// <summary>A tiny checkpoint of <c>tests/data</c>, exported into a folder of its own and loaded; its <c>cases</c> hold what the reference code computes with it.</summary>
internal sealed class ExportedCheckpoint : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("onnxvlm-golden-").FullName;

    public ExportedCheckpoint(string checkpointFolder, VlmOptions? options = null)
    {
        CheckpointFolder = checkpointFolder;
        ModelFolder = Path.Combine(_folder, "out");
        Exporter.Export(new ExportOptions { CheckpointFolder = checkpointFolder, OutputFolder = ModelFolder });
        Model = VlmModel.Load(ModelFolder, options ?? new VlmOptions());
    }

    public string CheckpointFolder { get; }

    public string ModelFolder { get; }

    public VlmModel Model { get; }

    /// <summary>Names of the reference cases, for a test's source.</summary>
    public static IEnumerable<string> CasesOf(string checkpointFolder) => ReferenceCase.FoldersOf(checkpointFolder).Select(folder => Path.GetFileName(folder));

    /// <summary>Names of the preprocessed images, for a test's source.</summary>
    public static IEnumerable<string> ImagesOf(string checkpointFolder) =>
        Directory.GetDirectories(Path.Combine(checkpointFolder, "preprocess")).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal);

    public ReferenceCase Case(string name) => ReferenceCase.Load(Path.Combine(CheckpointFolder, "cases", name), Model);

    /// <summary>The exported model gives the reference's logits and its greedy tokens.</summary>
    public void ExpectReference(string name)
    {
        Comparison found = Verifier.Compare(Model, Case(name));

        TestContext.Out.WriteLine($"max |Δlogit| {found.MaxDifference:E2} over {found.Rows} rows");
        Assert.That(found.MaxDifference, Is.LessThanOrEqualTo(1e-4));
        Assert.That(found.TokensEqual, Is.True);
    }

    public void Dispose()
    {
        Model.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
