using System.Globalization;

namespace OnnxVlm.Schemas;

/// <summary>
/// Limits the regular expressions of one schema, taken together. Compiling one takes memory and time that grow with its states, and two of them on
/// one text multiply. The size of an expression is the number of states that its repetitions unroll to; it is counted without compiling anything.
/// </summary>
internal sealed class PatternBudget
{
    /// <summary>The most states of all patterns of a schema.</summary>
    public const long MaxStates = 20_000;

    /// <summary>The most patterns of a schema.</summary>
    public const int MaxPatterns = 200;

    /// <summary>The most patterns of a schema whose parts are joined; on one text, their states multiply.</summary>
    public const int MaxJoinedPatterns = 4;

    private long _states;
    private int _patterns;
    private string? _joined;

    /// <summary>Records that parts of the schema are joined, so that several patterns may apply to one text.</summary>
    /// <param name="path">The place of the parts.</param>
    /// <exception cref="ArgumentException">There are too many patterns for that.</exception>
    public void Join(string path)
    {
        _joined = path;
        RefuseJoined(path);
    }

    /// <summary>Checks a pattern and counts it.</summary>
    /// <param name="path">Its path, for errors.</param>
    /// <param name="pattern">The regular expression.</param>
    /// <exception cref="ArgumentException">The pattern has a lookaround, or the patterns of the schema are too many or too large.</exception>
    public void Check(string path, string pattern)
    {
        if (LooksAround(pattern))
            throw GuidedSchema.Refused(path, "a pattern that looks ahead or behind is not implemented; write it without (?=, (?!, (?<= and (?<!");
        if (++_patterns > MaxPatterns)
            throw GuidedSchema.Refused(path, $"a schema may have {MaxPatterns} patterns; leave some out");
        RefuseJoined(path);
        _states += StatesOf(pattern);
        if (_states > MaxStates)
            throw GuidedSchema.Refused(
                path, $"the patterns of a schema may have {MaxStates} states, which is what their repetitions unroll to; use smaller counts");
    }

    private void RefuseJoined(string path)
    {
        if (_joined is not null && _patterns > MaxJoinedPatterns)
            throw GuidedSchema.Refused(
                path, "a schema with allOf, or with other rules beside $ref, anyOf or oneOf, " +
                $"may have {MaxJoinedPatterns} patterns; leave some out, or put them in one");
    }

    /// <summary>Whether a regular expression looks ahead or behind.</summary>
    /// <param name="pattern">The regular expression.</param>
    public static bool LooksAround(string pattern) =>
        pattern.Contains("(?=", StringComparison.Ordinal) || pattern.Contains("(?!", StringComparison.Ordinal)
            || pattern.Contains("(?<=", StringComparison.Ordinal) || pattern.Contains("(?<!", StringComparison.Ordinal);

    /// <summary>The states that a regular expression unrolls to; a lower bound where its syntax is wrong.</summary>
    /// <param name="pattern">The regular expression.</param>
    internal static long StatesOf(string pattern)
    {
        // For each open group, its contents so far; a repetition applies to the last atom.
        Stack<(long Sum, long Atom)> groups = new();
        long sum = 0, atom = 0;
        for (int i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case '\\':
                    (sum, atom) = (sum + atom, 1);
                    i++;
                    break;
                case '[':
                    (sum, atom) = (sum + atom, 1);
                    i = EndOfClass(pattern, i);
                    break;
                case '(':
                    groups.Push((sum + atom, 0));
                    (sum, atom) = (0, 0);
                    break;
                case ')' when groups.Count > 0:
                    (sum, atom) = (groups.Pop().Sum, sum + atom + 1);
                    break;
                case '{' when TryReadCount(pattern, ref i, out long most):
                    atom = Math.Min(long.MaxValue / 4, Math.Max(1, atom)) is long one && one > MaxStates * 4 / Math.Max(1, most)
                        ? MaxStates * 4
                        : atom * Math.Max(1, most);
                    break;
                default:
                    (sum, atom) = (Math.Min(sum + atom, MaxStates * 4), 1);
                    break;
            }
        }
        while (groups.Count > 0)
            sum += groups.Pop().Sum;
        return sum + atom;
    }

    private static int EndOfClass(string pattern, int start)
    {
        int i = start + 1;
        if (i < pattern.Length && pattern[i] == '^')
            i++;
        for (int depth = 1, first = i; i < pattern.Length; i++)
        {
            if (pattern[i] == '\\')
                i++;
            else if (pattern[i] == '[' )
                depth++;
            else if (pattern[i] == ']' && i > first && --depth == 0)
                return i;
        }
        return pattern.Length;
    }

    // {n}, {n,} or {n,m}: the larger number counts.
    private static bool TryReadCount(string pattern, ref int i, out long most)
    {
        most = 0;
        int end = pattern.IndexOf('}', i);
        if (end < 0)
            return false;
        foreach (string number in pattern[(i + 1)..end].Split(','))
        {
            if (number.Length == 0)
                continue;
            if (!number.All(char.IsAsciiDigit))
                return false;
            most = Math.Max(most,
                long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out long count) ? Math.Min(count, MaxStates * 4) : MaxStates * 4);
        }
        i = end;
        return true;
    }
}
