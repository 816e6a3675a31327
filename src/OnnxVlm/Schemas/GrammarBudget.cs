using System.Globalization;
using System.Text.RegularExpressions;

namespace OnnxVlm.Schemas;

/// <summary>
/// What a grammar that a stranger wrote may demand. Compiling one costs memory and time that grow with the states of its expressions, and joining or
/// negating them multiplies these. Everything is counted as it is written, without compiling anything.
/// </summary>
internal static partial class GrammarBudget
{
    /// <summary>The most characters of a grammar or of an expression.</summary>
    public const int MaxLength = 16 << 10;

    /// <summary>The most rules of a grammar.</summary>
    public const int MaxRules = 500;

    /// <summary>Checks a regular expression.</summary>
    /// <param name="expression">The expression.</param>
    /// <exception cref="ArgumentException">It looks around, or is too large.</exception>
    public static void CheckRegex(string expression)
    {
        CheckLength("regex", expression);
        new PatternBudget().Check("regex", expression);
    }

    /// <summary>Checks a grammar in Lark's syntax.</summary>
    /// <param name="grammar">The grammar.</param>
    /// <exception cref="ArgumentException">It uses what multiplies, or is too large.</exception>
    public static void CheckLark(string grammar)
    {
        CheckLength("grammar", grammar);
        PatternBudget patterns = new();
        foreach (string expression in Literal()
            .Matches(grammar).Select(match => match.Groups["regex"]).Where(group => group.Success).Select(group => group.Value))
            patterns.Check("grammar", expression);
        string rules = Literal().Replace(grammar, "\"\"");
        if (rules.AsSpan().IndexOfAny('&', '~', '%') is int at and >= 0)
            throw Refused($"grammar: {rules[at]} is not taken from a request, " +
                "since it multiplies what the parser has to keep, or sets it up; write the rules without it");
        if (rules.Count(c => c == ':') > MaxRules)
            throw Refused($"grammar: a grammar may have {MaxRules} rules; leave some out");
        long repeated = 1;
        foreach (string count in Count().Matches(rules).SelectMany(match => match.Groups["n"].Captures.Select(capture => capture.Value)))
        {
            // Rules may repeat each other, so that all counts may multiply.
            long times = count.Length > 9 ? PatternBudget.MaxStates : Math.Max(1, long.Parse(count, CultureInfo.InvariantCulture));
            repeated = Math.Min(long.MaxValue / (PatternBudget.MaxStates + 1), repeated) * Math.Min(times, PatternBudget.MaxStates + 1);
            if (repeated > PatternBudget.MaxStates)
                throw Refused(
                    $"grammar: the counts of all repetitions together may be {PatternBudget.MaxStates}, since rules may repeat each other; use smaller counts");
        }
    }

    private static void CheckLength(string what, string text)
    {
        if (text.Length > MaxLength)
            throw Refused($"{what}: at most {MaxLength} characters, found {text.Length}; send a smaller one");
    }

    private static ArgumentException Refused(string message) => new(message + ".");

    // Strings, expressions and comments, in which a sign means nothing to the rules.
    [GeneratedRegex("""//[^\n]*|#[^\n]*|"(?:[^"\\\n]|\\.)*"|/(?<regex>(?:[^/\\\n]|\\.)+)/[a-z]*""")]
    private static partial Regex Literal();

    [GeneratedRegex(@"\{\s*(?<n>\d+)?\s*(?:,\s*(?<n>\d+)?\s*)?\}")]
    private static partial Regex Count();
}
