using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OnnxVlm.Evaluation.Cases;

/// <summary>Metrics that compare an answer with the expected one: 1 is right, 0 is wrong.</summary>
internal static partial class Metrics
{
    /// <summary>The metric that compiles and runs the answer, see <see cref="Programs.ProgramScorer"/>; the others compare texts.</summary>
    public const string Code = "code";

    private static readonly Dictionary<string, Func<string, string, double>> ByName = new()
    {
        ["exact"] = (expected, answer) => expected.Trim() == answer.Trim() ? 1 : 0,
        ["cer"] = (expected, answer) => CharacterAccuracy(expected.Trim(), answer.Trim()),
        ["contains"] = (expected, answer) => answer.Contains(expected.Trim(), StringComparison.OrdinalIgnoreCase) ? 1 : 0,
        ["number"] = (expected, answer) => SameNumber(expected, answer) ? 1 : 0,
        ["json"] = (expected, answer) => SameJson(expected, answer) ? 1 : 0,
    };

    public static IReadOnlyCollection<string> Names => ByName.Keys;

    /// <summary>Scores one answer.</summary>
    /// <param name="metric">A name of <see cref="Names"/>.</param>
    /// <param name="expected">The right answer.</param>
    /// <param name="answer">The model's answer.</param>
    /// <returns>0 to 1.</returns>
    public static double Score(string metric, string expected, string answer) => ByName[metric](expected, answer);

    // 1 − edit distance / length of the expected text, at least 0.
    private static double CharacterAccuracy(string expected, string answer) =>
        expected.Length == 0 ? (answer.Length == 0 ? 1 : 0) : Math.Max(0, 1 - ((double)EditDistance(expected, answer) / expected.Length));

    /// <summary>Levenshtein distance: insertions, deletions and replacements of characters.</summary>
    internal static int EditDistance(string a, string b)
    {
        int[] previous = [.. Enumerable.Range(0, b.Length + 1)];
        int[] current = new int[b.Length + 1];
        for (int i = 1; i <= a.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= b.Length; j++)
                current[j] = Math.Min(Math.Min(previous[j], current[j - 1]) + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            (previous, current) = (current, previous);
        }
        return previous[b.Length];
    }

    // The result is the last number of a text: "3x = 15 so x = 5" has the result 5.
    private static bool SameNumber(string expected, string answer) =>
        Result(expected) is { } right && Result(answer) is { } found && Math.Abs(found - right) <= 1e-9 * Math.Max(1, Math.Abs(right));

    private static double? Result(string text) =>
        Numbers().Matches(text) is { Count: > 0 } found && double.TryParse(found[^1].Value, CultureInfo.InvariantCulture, out double number) ? number : null;

    // Text that is not JSON, has a key twice or contains an unpaired surrogate is wrong.
    private static bool SameJson(string expected, string answer)
    {
        try
        {
            JsonDocumentOptions options = new() { AllowDuplicateProperties = false };
            using JsonDocument right = JsonDocument.Parse(expected, options), found = JsonDocument.Parse(answer, options);
            return JsonElement.DeepEquals(right.RootElement, found.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"-?\d+(\.\d+)?")]
    private static partial Regex Numbers();
}
