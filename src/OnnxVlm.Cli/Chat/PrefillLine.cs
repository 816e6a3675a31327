using System.Globalization;
using OnnxVlm.Generation;

namespace OnnxVlm.Cli.Chat;

/// <summary>A line of a terminal that shows the progress of reading a long prompt, and disappears when the answer begins.</summary>
/// <param name="writer">The terminal.</param>
internal sealed class PrefillLine(TextWriter writer)
{
    // A shorter wait needs no explanation.
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    private int _shown;

    /// <summary>Shows progress; to be used as <see cref="GenerationOptions.OnPrefill"/>.</summary>
    /// <param name="progress">The progress of the prompt.</param>
    public void Report(PrefillProgress progress)
    {
        if (progress.TokensRead >= progress.TokenCount)
        {
            Clear();
            return;
        }
        if (progress.Elapsed < Quiet)
            return;
        int read = progress.TokensRead - progress.CachedTokens;
        string left = read > 0
            ? string.Create(CultureInfo.InvariantCulture, $", {progress.Elapsed.TotalSeconds * (progress.TokenCount - progress.TokensRead) / read:F0} s left")
            : "";
        string line = string.Create(CultureInfo.InvariantCulture, $"reading: {progress.TokensRead} of {progress.TokenCount} tokens{left}");
        writer.Write($"\r{line.PadRight(_shown)}");
        writer.Flush();
        _shown = line.Length;
    }

    private void Clear()
    {
        if (_shown == 0)
            return;
        writer.Write($"\r{new string(' ', _shown)}\r");
        writer.Flush();
        _shown = 0;
    }
}
