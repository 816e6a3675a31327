using System.Text.Json;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>The common part of the managed references: the tensors of a folder as float64, read without the exporter, and products with them.</summary>
internal abstract class ReferenceTensors
{
    protected ReferenceTensors(string folder)
    {
        foreach (string file in Directory.GetFiles(folder, "*.safetensors"))
            ReadTensors(file);
    }

    /// <summary>The weights by name, row-major; a test may replace them.</summary>
    public Dictionary<string, double[]> Weights { get; } = [];

    protected double[] Times(double[] x, string key)
    {
        double[] weights = Weights[key], y = new double[weights.Length / x.Length];
        for (int row = 0; row < y.Length; row++)
        {
            for (int i = 0; i < x.Length; i++)
                y[row] += weights[(row * x.Length) + i] * x[i];
        }

        return y;
    }

    protected static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    protected double[] Affine(double[] x, string key) => Sum(Times(x, $"{key}.weight"), Weights[$"{key}.bias"]);

    protected static double Gelu(double x) => x / 2 * (1 + Erf(x / Math.Sqrt(2)));

    protected static int Number(JsonElement section, string key) => section.GetProperty(key).GetInt32();

    protected static JsonElement Json(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }

    /// <summary>2/√π · Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n+1)); beyond 5 the rest is below 2e-12.</summary>
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 5)
            return Math.Sign(x);
        double term = x, sum = x;
        for (int n = 1; n < 120; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private void ReadTensors(string path)
    {
        byte[] file = File.ReadAllBytes(path);
        int start = 8 + (int)BitConverter.ToInt64(file);
        using var header = JsonDocument.Parse(file.AsMemory(8, start - 8));
        foreach (JsonProperty entry in header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            int begin = start + entry.Value.GetProperty("data_offsets")[0].GetInt32(), end = start + entry.Value.GetProperty("data_offsets")[1].GetInt32();
            Weights[entry.Name] = entry.Value.GetProperty("dtype").GetString() switch
            {
                "F32" => [.. Enumerable.Range(0, (end - begin) / 4).Select(i => (double)BitConverter.ToSingle(file, begin + (4 * i)))],
                "F16" => [.. Enumerable.Range(0, (end - begin) / 2).Select(i => (double)BitConverter.ToHalf(file, begin + (2 * i)))],
                _ => [.. Enumerable.Range(0, (end - begin) / 2).Select(
                    i => (double)BitConverter.Int32BitsToSingle(BitConverter.ToUInt16(file, begin + (2 * i)) << 16))],
            };
        }
    }
}
