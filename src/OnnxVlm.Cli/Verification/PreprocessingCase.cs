using System.Security.Cryptography;
using System.Text.Json;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Cli.Verification;

/// <summary>
/// One case of preprocessing, a folder with <c>image.png</c> and <c>expected.json</c>: <c>grid_rows_cols</c>, <c>resized_hw</c>, and <c>resized_u8_sha256</c> of the
/// resized RGB image. Other forms of the file are not known here.
/// </summary>
internal static class PreprocessingCase
{
    public static IReadOnlyList<string> FoldersOf(string goldens)
    {
        string cases = Path.Combine(goldens, "preprocess");
        return Directory.Exists(cases)
            ? [.. Directory.GetDirectories(cases).Where(folder => File.Exists(Path.Combine(folder, "image.png")) && Expected(folder) is { ValueKind: JsonValueKind.Object } expected && expected.TryGetProperty("resized_u8_sha256", out _)).Order(StringComparer.Ordinal)]
            : [];
    }

    /// <summary>Compares the patches with what the reference makes of the image.</summary>
    /// <returns>What is equal.</returns>
    /// <exception cref="VlmException">Something differs; the message says what.</exception>
    public static string Compare(string folder, VlmModel model)
    {
        JsonElement expected = Expected(folder);
        ImageRules rules = model.Manifest.Image;
        PatchGrid grid = model.ImagePreprocessor.Process(File.ReadAllBytes(Path.Combine(folder, "image.png")));
        (int rows, int columns) = Pair(expected, "grid_rows_cols");
        if ((grid.Rows, grid.Columns) != (rows, columns))
            throw new VlmException($"expected {rows} rows of {columns} patches, found {grid.Rows} of {grid.Columns}");
        (int height, int width) = Pair(expected, "resized_hw");
        string hash = Convert.ToHexStringLower(SHA256.HashData(Pixels(grid, rules, height, width)));
        if (hash != expected.GetProperty("resized_u8_sha256").GetString())
            throw new VlmException($"the pixels of the image resized to {width}×{height} differ");
        return $"{rows} rows of {columns} patches, all {width}×{height} pixels equal";
    }

    // Puts the patches together again and leaves the padding out.
    private static byte[] Pixels(PatchGrid grid, ImageRules rules, int height, int width)
    {
        int p = rules.PatchSize;
        bool planes = rules.PatchLayout == PatchLayout.ChannelRowColumn;
        ReadOnlySpan<byte> patches = grid.Patches.Span;
        byte[] pixels = new byte[height * width * 3];
        for (int i = 0; i < pixels.Length; i++)
        {
            int y = i / 3 / width, x = i / 3 % width, channel = i % 3, patch = (y / p * grid.Columns) + (x / p);
            int inPatch = planes ? (channel * p * p) + (y % p * p) + (x % p) : (((y % p * p) + (x % p)) * 3) + channel;
            pixels[i] = patches[(patch * 3 * p * p) + inPatch];
        }
        return pixels;
    }

    private static (int First, int Second) Pair(JsonElement expected, string key) => (expected.GetProperty(key)[0].GetInt32(), expected.GetProperty(key)[1].GetInt32());

    private static JsonElement Expected(string folder)
    {
        string path = Path.Combine(folder, "expected.json");
        if (!File.Exists(path))
            return default;
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        return document.RootElement.Clone();
    }
}
