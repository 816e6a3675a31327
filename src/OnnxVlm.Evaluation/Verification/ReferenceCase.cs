using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;

namespace OnnxVlm.Evaluation.Verification;

/// <summary>
/// One case of reference outputs, a folder with <c>input_ids.npy</c> int64 [S], <c>logits.npy</c> float [S, V], <c>image_k.png</c>,
/// <c>tokens.npy</c> int64 [n] (greedy continuation) and <c>logits_gen.npy</c> float [n, V] (row 0 is the last row of <c>logits.npy</c>).
/// </summary>
internal sealed class ReferenceCase
{
    private ReferenceCase(string name, PromptSegment[] segments, float[] logits, int vocabularySize, int[] tokens, float[] generatedLogits)
    {
        Name = name;
        Segments = segments;
        Logits = logits;
        VocabularySize = vocabularySize;
        Tokens = tokens;
        GeneratedLogits = generatedLogits;
    }

    public string Name { get; }

    /// <summary>The prompt: one segment for each image and for each text between images.</summary>
    public IReadOnlyList<PromptSegment> Segments { get; }

    /// <summary>float [S, V].</summary>
    public float[] Logits { get; }

    public int VocabularySize { get; }

    /// <summary>The reference's greedy continuation.</summary>
    public int[] Tokens { get; }

    /// <summary>float [n, V]: the logits from which each of <see cref="Tokens"/> was chosen.</summary>
    public float[] GeneratedLogits { get; }

    public static IReadOnlyList<string> FoldersOf(string goldens)
    {
        string cases = Path.Combine(goldens, "cases");
        string[] folders = Directory.Exists(cases) ? [.. Directory.GetDirectories(cases).Order(StringComparer.Ordinal)] : [];
        return folders.Length > 0
            ? folders
            : throw new VlmException($"{cases} has no case; --goldens names a folder with cases/NAME/input_ids.npy and logits.npy.");
    }

    public static ReferenceCase Load(string folder, VlmModel model)
    {
        foreach (string file in new[] { "input_ids.npy", "logits.npy", "tokens.npy", "logits_gen.npy" })
        {
            if (!File.Exists(Path.Combine(folder, file)))
                throw new VlmException($"{Path.Combine(folder, file)} is missing.");
        }
        int[] ids = [.. NpyFile.Read<long>(Path.Combine(folder, "input_ids.npy")).Data.Select(id => checked((int)id))];
        (int[] shape, float[] logits) = NpyFile.Read<float>(Path.Combine(folder, "logits.npy"));
        (int[] generatedShape, float[] generated) = NpyFile.Read<float>(Path.Combine(folder, "logits_gen.npy"));
        int[] tokens = [.. NpyFile.Read<long>(Path.Combine(folder, "tokens.npy")).Data.Select(id => checked((int)id))];
        int width = shape[^1];
        if (shape.Length != 2 || shape[0] != ids.Length || generatedShape.Length != 2 || generatedShape[1] != width || generatedShape[0] != tokens.Length)
            throw new VlmException($"{folder}: the shapes of input_ids, logits, tokens and logits_gen do not fit together.");
        if (width > model.Manifest.VocabularySize)
            throw new VlmException($"{folder}: the reference has {width} logits, the model {model.Manifest.VocabularySize}; they are different models.");
        return new ReferenceCase(Path.GetFileName(folder), Split(folder, ids, model), logits, width, tokens, generated);
    }

    // Finds each image's run of tokens, from its first placeholder on.
    private static PromptSegment[] Split(string folder, int[] ids, VlmModel model)
    {
        ImageTokens tokens = model.Manifest.Image.Tokens with { Begin = null, End = null };
        List<PromptSegment> segments = [];
        int start = 0;
        for (int k = 0; File.Exists(Path.Combine(folder, $"image_{k}.png")); k++)
        {
            PatchGrid image = model.ImagePreprocessor.Process(File.ReadAllBytes(Path.Combine(folder, $"image_{k}.png")));
            int first = Array.IndexOf(ids, tokens.Placeholder, start);
            // A folder without a tokenizer may not have the row-end token; the reference shows it.
            int next = first + image.Columns;
            PromptSegment run = ImageRun.Create(
                tokens.RowEnd is null && first >= 0 && image.Rows > 1 && next < ids.Length && ids[next] != tokens.Placeholder
                    ? tokens with { RowEnd = ids[next] }
                    : tokens, image);
            if (first < 0 || !ids.AsSpan(first).StartsWith(run.TokenIds.Span))
                throw new VlmException($"image {k} is {image.Rows} rows of {image.Columns} patches here, which is not what input_ids has");
            if (first > start)
                segments.Add(new PromptSegment(ids.AsMemory(start, first - start)));
            segments.Add(run);
            start = first + run.TokenIds.Length;
        }
        if (Array.IndexOf(ids, tokens.Placeholder, start) >= 0)
            throw new VlmException("input_ids has more image tokens than there are images");
        if (start < ids.Length)
            segments.Add(new PromptSegment(ids.AsMemory(start)));
        return [.. segments];
    }
}
