using System.Runtime.CompilerServices;
using System.Text;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>The tiny qwen3_5 of tests/data under ONNX Runtime alone, against the output of the authors' code.</summary>
[TestFixture]
public sealed class Qwen35GoldenTests
{
    private static readonly string Data = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../data/qwen3_5"));

    private TemporaryFolder _folder = null!;
    private ModelManifest _manifest = null!;

    [OneTimeSetUp]
    public void SetUp()
    {
        _folder = new TemporaryFolder();
        Exporter.Export(new ExportOptions { CheckpointFolder = Data, OutputFolder = _folder["out"] });
        _manifest = ModelManifest.Load(_folder["out"]);
    }

    [OneTimeTearDown]
    public void TearDown() => _folder.Dispose();

    [TestCase("text_only", 1)]
    [TestCase("text_only", 3)]
    [TestCase("text_only", 32)]
    [TestCase("one_image", 1)]
    [TestCase("one_image", 32)]
    [TestCase("two_images", 3)]
    [TestCase("two_images", 1000)]
    public void Run_ReferenceCase_LogitsStatesAndTokensAreTheReferences(string name, int chunk)
    {
        (long[] ids, float[] logits) = (Array<long>(name, "input_ids"), Array<float>(name, "logits"));
        int vocabulary = logits.Length / ids.Length;
        using GraphRunner graph = new(_folder["out"]);
        double largest = 0;
        foreach ((int end, float[] found) in Read(graph, name, ids, chunk))
            largest = Math.Max(largest, Largest(found, logits.AsSpan((end - 1) * vocabulary, vocabulary)));
        Assert.That(largest, Is.LessThanOrEqualTo(2e-4));

        double state = 0;
        foreach (string input in graph.StateNames)
        {
            string layer = input.Split('.')[1];

            // The reference's convolution state is [channels, kernel − 1], and the file stores it by columns, which is the layout of the graph.
            float[] found = graph.State(input);
            float[] expected = input.EndsWith("conv_state", StringComparison.Ordinal)
                ? Array<float>(name, $"conv_state_{layer}", byColumns: true)
                : Array<float>(name, $"recurrent_state_{layer}");
            state = Math.Max(state, Largest(found, expected));
        }

        Assert.That(state, Is.LessThanOrEqualTo(1e-4));
        (long[] tokens, float[] generated) = (Array<long>(name, "tokens"), Array<float>(name, "logits_gen"));
        for (int i = 0; i + 1 < tokens.Length; i++)
        {
            float[] found = graph.Run([tokens[i]], []);
            largest = Math.Max(largest, Largest(found, generated.AsSpan((i + 1) * vocabulary, vocabulary)));
            Assert.That(System.Array.IndexOf(found, found.Max()), Is.EqualTo(tokens[i + 1]), $"token {i + 1}");
        }

        TestContext.Out.WriteLine($"{name}, chunks of {chunk}: max |Δlogit| {largest:E2}, states {state:E2}");
        Assert.That(largest, Is.LessThanOrEqualTo(2e-4));
    }

    /// <summary>Reads a prompt in pieces: each image whole, with as much text around it as fits the piece.</summary>
    private IEnumerable<(int End, float[] Logits)> Read(GraphRunner graph, string name, long[] ids, int chunk)
    {
        long placeholder = _manifest.Image.Tokens.Placeholder;
        ImagePreprocessor preprocessor = new(_manifest.Image, new ImageLimits());
        Queue<PatchGrid> images = new(
            Directory.GetFiles(Path.Combine(Data, "cases", name), "image_*.png").Order(StringComparer.Ordinal).Select(
                path => preprocessor.Process(File.ReadAllBytes(path))));
        long offset = 0, next = 0;
        for (int start = 0; start < ids.Length;)
        {
            int end = Math.Min(start + chunk, ids.Length);
            while (end < ids.Length && ids[end] == placeholder)
                end++;
            List<(byte[] Pixels, int Column, int Row)> patches = [];
            while (patches.Count < ids[start..end].Count(id => id == placeholder))
            {
                PatchGrid image = images.Dequeue();
                int width = image.Patches.Length / image.Count;
                patches.AddRange(Enumerable.Range(0, image.Count).Select(
                    i => (image.Patches.Slice(i * width, width).ToArray(), i % image.Columns, i / image.Columns)));
                next += image.Count - Math.Max(image.Rows, image.Columns);
            }

            graph.PositionOffset = offset;
            float[] logits = graph.Run(ids[start..end], patches);
            (start, offset) = (end, next);
            yield return (end, logits);
        }

        graph.PositionOffset = offset;
    }

    private static double Largest(ReadOnlySpan<float> found, ReadOnlySpan<float> expected)
    {
        Assert.That(found.Length, Is.EqualTo(expected.Length));
        double largest = 0;
        for (int i = 0; i < found.Length; i++)
            largest = float.IsNaN(found[i]) ? double.PositiveInfinity : Math.Max(largest, Math.Abs((double)found[i] - expected[i]));
        return largest;
    }

    /// <summary>The numbers of a .npy file of little-endian float32 or int64, in the order of the file.</summary>
    private static T[] Array<T>(string name, string array, bool byColumns = false)
        where T : unmanaged
    {
        byte[] file = File.ReadAllBytes(Path.Combine(Data, "cases", name, $"{array}.npy"));
        int start = 10 + BitConverter.ToUInt16(file, 8);
        Assert.That(Encoding.ASCII.GetString(file, 0, start),
            Does.Contain(typeof(T) == typeof(long) ? "'<i8'" : "'<f4'").And.Contain($"'fortran_order': {byColumns}"));
        return System.Runtime.InteropServices.MemoryMarshal.Cast<byte, T>(file.AsSpan(start)).ToArray();
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
