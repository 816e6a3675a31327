using OnnxVlm.ModelFolder;

namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>Tokens for measurements: the speed does not depend on them, as long as they are text.</summary>
internal static class BenchmarkTokens
{
    /// <summary>Random tokens of text.</summary>
    /// <param name="manifest">The model.</param>
    /// <param name="random">The source of randomness.</param>
    /// <param name="count">The number of tokens.</param>
    public static int[] Create(ModelManifest manifest, Random random, int count)
    {
        ImageTokens image = manifest.Image.Tokens;
        int[] reserved = [image.Placeholder, image.RowEnd ?? -1, image.Begin ?? -1, image.End ?? -1, .. manifest.EndTokenIds];
        return [.. Enumerable.Range(0, int.MaxValue).Select(_ => random.Next(manifest.VocabularySize)).Where(token => !reserved.Contains(token)).Take(count)];
    }
}
