using System.Security.Cryptography;
using System.Text.Json;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Evaluation.Verification;

/// <summary>
/// One preprocessing case: a folder with <c>image.png</c> and <c>expected.json</c>. The file has <c>resized_hw</c> with <c>grid_rows_cols</c> or
/// <c>num_image_tokens</c>, and the SHA-256 of the resized RGB image as <c>resized_u8_sha256</c> or <c>resized_u8_hwc_sha256</c>; or <c>error</c>
/// where the reference refuses the image. A file for several limits has an object for each, with <c>min_pixels</c> and <c>max_pixels</c>. Other forms
/// of the file are not supported.
/// </summary>
internal static class PreprocessingCase
{
    /// <summary>The cases that apply to a model with these rules.</summary>
    public static IReadOnlyList<string> FoldersOf(string goldens, ImageRules rules)
    {
        string cases = Path.Combine(goldens, "preprocess");
        return Directory.Exists(cases)
            ? [.. Directory.GetDirectories(cases).Where(folder => File.Exists(Path.Combine(folder, "image.png")) && Expected(folder, rules) is not null)
                .Order(StringComparer.Ordinal)]
            : [];
    }

    /// <summary>Compares the patches with the reference's.</summary>
    /// <returns>A description of what is equal.</returns>
    /// <exception cref="VlmException">Something differs; the message describes the difference.</exception>
    public static string Compare(string folder, ImageRules rules, ImagePreprocessor preprocessor)
    {
        JsonElement expected = Expected(folder, rules) ?? throw new VlmException($"{folder} has no expected.json for these image rules");
        byte[] image = File.ReadAllBytes(Path.Combine(folder, "image.png"));
        if (expected.TryGetProperty("error", out JsonElement error))
            return CompareRefusal(preprocessor, image, error.ToString());

        PatchGrid grid = preprocessor.Process(image);
        (int height, int width) = Pair(expected, "resized_hw");
        (int rows, int columns) = expected.TryGetProperty("grid_rows_cols", out _)
            ? Pair(expected, "grid_rows_cols")
            : (height / rules.PatchSize, width / rules.PatchSize);
        if ((grid.Rows, grid.Columns) != (rows, columns))
            throw new VlmException($"expected {rows} rows of {columns} patches, found {grid.Rows} of {grid.Columns}");
        if (expected.TryGetProperty("num_image_tokens", out JsonElement tokens) && tokens.GetInt32() != grid.Count)
            throw new VlmException($"expected {tokens.GetInt32()} image tokens, found {grid.Count}");
        if (!expected.TryGetProperty("resized_u8_sha256", out JsonElement hash) && !expected.TryGetProperty("resized_u8_hwc_sha256", out hash))
            return $"{rows} rows of {columns} patches; the reference has no pixels to compare with";
        if (Convert.ToHexStringLower(SHA256.HashData(Pixels(grid, rules, height, width))) != hash.GetString())
            throw new VlmException($"the pixels of the image resized to {width}×{height} differ");
        return $"{rows} rows of {columns} patches, all {width}×{height} pixels equal";
    }

    private static string CompareRefusal(ImagePreprocessor preprocessor, byte[] image, string error)
    {
        try
        {
            PatchGrid grid = preprocessor.Process(image);
            throw new VlmException($"the reference refuses the image ({error}), found {grid.Rows} rows of {grid.Columns} patches");
        }
        catch (InvalidImageException e)
        {
            return $"refused, as the reference does ({e.Message})";
        }
    }

    // Assembles the patches into an image and removes the padding.
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

    private static (int First, int Second) Pair(JsonElement expected, string key) =>
        (expected.GetProperty(key)[0].GetInt32(), expected.GetProperty(key)[1].GetInt32());

    private static JsonElement? Expected(string folder, ImageRules rules)
    {
        string path = Path.Combine(folder, "expected.json");
        if (!File.Exists(path))
            return null;
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement root = document.RootElement.Clone();
        if (root.TryGetProperty("resized_u8_sha256", out _))
            return root;
        foreach (JsonProperty entry in root.EnumerateObject())
        {
            if (entry.Value.ValueKind == JsonValueKind.Object
                && Is(entry.Value, "min_pixels", rules.Resize.MinPixels) && Is(entry.Value, "max_pixels", rules.Resize.MaxPixels))
                return entry.Value;
        }

        return null;
    }

    private static bool Is(JsonElement section, string key, int? value) =>
        value is not null && section.TryGetProperty(key, out JsonElement number) && number.GetInt32() == value;
}
