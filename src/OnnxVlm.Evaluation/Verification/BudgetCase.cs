using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Evaluation.Verification;

/// <summary>
/// One preprocessing case for a model with a budget of patches: a folder with <c>image.png</c> and <c>expected.json</c>. For each budget N, an object
/// <c>max_soft_tokens_N</c> has <c>resized_hw</c>, <c>grid_rows_cols_…</c> and the SHA-256 of the resized RGB image as Pillow makes it. The first
/// budget's patches, as torchvision makes them, are sampled in <c>patches_u8_sample.npy</c> uint8 [n, 3·p·p]; their indices are in
/// <c>patches_sample_index.npy</c>. The two filters differ by one grey level in a few places.
/// </summary>
internal static class BudgetCase
{
    private const string Budget = "max_soft_tokens_", PillowHash = "resized_u8_hwc_sha256_pillow";

    /// <summary>The cases that apply to a model with these rules.</summary>
    public static IReadOnlyList<string> FoldersOf(string goldens, ImageRules rules)
    {
        string cases = Path.Combine(goldens, "preprocess");
        return Directory.Exists(cases) && rules.Resize.Rule is ResizeMode.FillArea or ResizeMode.Keep
            ? [.. Directory.GetDirectories(cases).Where(folder => File.Exists(Path.Combine(folder, "image.png")) && Budgets(folder).Count > 0)
                .Order(StringComparer.Ordinal)]
            : [];
    }

    /// <summary>Compares the patches with the reference's, for each budget.</summary>
    /// <returns>A description of what is equal.</returns>
    /// <exception cref="VlmException">Something differs; the message describes the difference.</exception>
    public static string Compare(string folder, ImageRules rules, RgbImage image)
    {
        List<string> found = [];
        foreach ((int budget, JsonElement expected) in Budgets(folder))
        {
            ImageRules filling = rules with { Resize = new ResizeRule { Rule = ResizeMode.FillArea, Filter = rules.Resize.Filter, MaxPatches = budget } };
            PatchShape shape = PatchShape.Of(filling, image.WidthPx, image.HeightPx);
            (int width, int height) = (shape.Columns * rules.PatchSize, shape.Rows * rules.PatchSize);
            int[] size = [.. expected.GetProperty("resized_hw").EnumerateArray().Select(side => side.GetInt32())];
            if (size is not [int h, int w] || (h, w) != (height, width))
                throw new VlmException($"at most {budget} patches: expected {string.Join('×', size.Reverse())} pixels, found {width}×{height}");
            RgbImage resized = Resampler.Resize(image, width, height, rules.Resize.Filter);
            string hash = Convert.ToHexStringLower(SHA256.HashData(resized.Pixels.Span));
            if (expected.EnumerateObject()
                .FirstOrDefault(entry => entry.Name.StartsWith(PillowHash, StringComparison.Ordinal)) is { Value.ValueKind: JsonValueKind.String } pillow
                && pillow.Value.GetString() != hash)
                throw new VlmException($"at most {budget} patches: the pixels of the image resized to {width}×{height} differ from Pillow's");
            found.Add($"{shape.Rows} rows of {shape.Columns} patches, " +
                $"all {width}×{height} pixels equal Pillow's{(found.Count == 0 ? CompareSample(folder, rules.PatchSize, resized) : "")}");
        }

        return string.Join("; ", found);
    }

    private static string CompareSample(string folder, int p, RgbImage resized)
    {
        string path = Path.Combine(folder, "patches_u8_sample.npy");
        if (!File.Exists(path))
            return "";
        byte[] sample = NpyFile.Read<byte>(path).Data;
        long[] numbers = NpyFile.Read<long>(Path.Combine(folder, "patches_sample_index.npy")).Data;
        int columns = resized.WidthPx / p, width = 3 * p * p, different = 0;
        for (int i = 0; i < sample.Length; i++)
        {
            int patch = checked((int)numbers[i / width]), inPatch = i % width;
            ReadOnlySpan<byte> row = resized.Row((patch / columns * p) + (inPatch / (3 * p)));
            int difference = Math.Abs(row[(patch % columns * 3 * p) + (inPatch % (3 * p))] - sample[i]);
            if (difference > 1)
                throw new VlmException($"patch {patch}: {difference} grey levels from the reference, 1 is allowed");
            different += difference;
        }

        return string.Create(
            CultureInfo.InvariantCulture, $", {(double)different / sample.Length:P1} of {numbers.Length} patches one grey level from torchvision's");
    }

    private static List<(int Budget, JsonElement Expected)> Budgets(string folder)
    {
        string path = Path.Combine(folder, "expected.json");
        if (!File.Exists(path))
            return [];
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.EnumerateObject().Where(
            entry => entry.Name.StartsWith(Budget, StringComparison.Ordinal) && entry.Value.ValueKind == JsonValueKind.Object)
            .Select(entry => (int.Parse(entry.Name.AsSpan(Budget.Length), CultureInfo.InvariantCulture), entry.Value.Clone())).OrderBy(entry => entry.Item1)];
    }
}
