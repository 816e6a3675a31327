namespace OnnxVlm.Export.Tests.Support;

/// <summary>Tests of exports: each has a temporary folder, with the checkpoint in <c>hf</c> and the model folder in <c>out</c>.</summary>
public abstract class ExportFixture
{
    private protected TemporaryFolder Folder { get; private set; } = null!;

    /// <summary>Exports <c>hf</c> to <c>out</c> with the defaults.</summary>
    private protected ExportOptions Options => new() { CheckpointFolder = Folder["hf"], OutputFolder = Folder["out"] };

    [SetUp]
    public void CreateFolder() => Folder = new TemporaryFolder();

    [TearDown]
    public void RemoveFolder() => Folder.Dispose();

    /// <summary>Largest absolute difference of two rows of logits; infinity where one is not a number.</summary>
    private protected static double Largest(float[] found, double[] expected) =>
        found.Zip(expected, (a, b) => double.IsNaN(a) ? double.PositiveInfinity : Math.Abs(a - b)).Max();
}
