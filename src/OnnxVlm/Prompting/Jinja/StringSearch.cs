using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>The methods of Python's str that search for a part and split there.</summary>
internal static partial class StringMethods
{
    // The range from start to end, clipped as in Python; null where it begins after the text.
    private static (int Start, int End)? Stretch(TemplateText text, object? start, object? end)
    {
        int length = text.CodePoints;
        int from = Clip(start, 0), to = Clip(end, length);
        return from > length || from > to ? null : (text.UnitOf(from), text.UnitOf(to));

        int Clip(object? bound, int missing)
        {
            if (bound is null or NoneValue)
                return missing;
            int index = PythonType.ToIndex(bound);
            return index < 0 ? Math.Max(0, index + length) : bound == end ? Math.Min(index, length) : index;
        }
    }

    private static int Find(TemplateText text, CallArguments arguments, string name, bool fromEnd)
    {
        object?[] bound = arguments.Bind(name, 1, "sub", "start", "end");
        TemplateText part = RequireText(bound[0]!, "must be str");
        if (Stretch(text, bound[1], bound[2]) is not (int start, int end))
            return -1;
        ReadOnlySpan<char> stretch = text.Value.AsSpan(start, end - start);
        int found = fromEnd ? stretch.LastIndexOf(part.Value, StringComparison.Ordinal) : stretch.IndexOf(part.Value, StringComparison.Ordinal);
        return found < 0 ? -1 : text.CodePointOf(start + found);
    }

    private static BigInteger RequireFound(int index) => index >= 0 ? index : throw JinjaException.Value("substring not found");

    private static object Count(TemplateText text, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("count", 1, "sub", "start", "end");
        TemplateText part = RequireText(bound[0]!, "must be str");
        if (Stretch(text, bound[1], bound[2]) is not (int start, int end))
            return BigInteger.Zero;
        return (BigInteger)(part.Value.Length == 0
            ? text.CodePointOf(end) - text.CodePointOf(start) + 1
            : text.Value.AsSpan(start, end - start).Count(part.Value));
    }

    private static bool HasAffix(TemplateText text, CallArguments arguments, string name, bool atEnd)
    {
        object?[] bound = arguments.Bind(name, 1, "prefix", "start", "end");
        IReadOnlyList<object> affixes = bound[0] switch
        {
            TemplateText affix => [affix],
            TupleValue tuple => tuple.Items,
            { } other => throw JinjaException.Type($"{name} first arg must be str or a tuple of str, not {PythonType.NameOf(other)}"),
            null => [],
        };
        if (Stretch(text, bound[1], bound[2]) is not (int start, int end))
            return false;
        foreach (object affix in affixes)
        {
            string value = (affix as TemplateText
                ?? throw JinjaException.Type($"tuple for {name} must only contain str, not {PythonType.NameOf(affix)}")).Value;
            ReadOnlySpan<char> stretch = text.Value.AsSpan(start, end - start);
            if (atEnd ? stretch.EndsWith(value, StringComparison.Ordinal) : stretch.StartsWith(value, StringComparison.Ordinal))
                return true;
        }
        return false;
    }

    private static TemplateText RemoveAffix(TemplateText text, CallArguments arguments, string name, bool atEnd)
    {
        string affix = RequireText(arguments.Bind(name, 1, "affix")[0]!, $"{name}() argument must be str").Value;
        bool has = atEnd ? text.Value.EndsWith(affix, StringComparison.Ordinal) : text.Value.StartsWith(affix, StringComparison.Ordinal);
        return has ? text.Slice(atEnd ? 0 : affix.Length, text.Value.Length - affix.Length) : text;
    }

    private static TupleValue Partition(TemplateText text, object separator, bool fromEnd)
    {
        TemplateText mark = RequireText(separator, "must be str");
        if (mark.Value.Length == 0)
            throw JinjaException.Value("empty separator");
        int found = fromEnd ? text.Value.LastIndexOf(mark.Value, StringComparison.Ordinal) : text.Value.IndexOf(mark.Value, StringComparison.Ordinal);
        if (found < 0)
            return new TupleValue(fromEnd ? [TemplateText.Empty, TemplateText.Empty, text] : [text, TemplateText.Empty, TemplateText.Empty]);
        int after = found + mark.Value.Length;
        return new TupleValue([text.Slice(0, found), text.Slice(found, mark.Value.Length), text.Slice(after, text.Value.Length - after)]);
    }

    private static ListValue Split(TemplateText text, object?[] bound, bool fromEnd, TemplateRun run)
    {
        int most = bound[1] is null ? -1 : PythonType.ToIndex(bound[1]!);
        List<object> parts = bound[0] is null or NoneValue
            ? SplitAtSpace(text, most < 0 ? int.MaxValue : most, fromEnd)
            : SplitAt(text, RequireText(bound[0]!, "must be str or None"), most < 0 ? int.MaxValue : most, fromEnd);
        run.Budget.UseSteps(parts.Count);
        return new ListValue(parts);
    }

    private static List<object> SplitAt(TemplateText text, TemplateText separator, int most, bool fromEnd)
    {
        string value = text.Value, mark = separator.Value;
        if (mark.Length == 0)
            throw JinjaException.Value("empty separator");
        List<object> parts = [];
        int start = 0, end = value.Length;
        while (parts.Count < most)
        {
            int found = fromEnd ? value.AsSpan(0, end).LastIndexOf(mark, StringComparison.Ordinal) : value.IndexOf(mark, start, StringComparison.Ordinal);
            if (found < 0)
                break;
            if (fromEnd)
            {
                parts.Add(text.Slice(found + mark.Length, end - found - mark.Length));
                end = found;
            }
            else
            {
                parts.Add(text.Slice(start, found - start));
                start = found + mark.Length;
            }
        }
        parts.Add(text.Slice(start, end - start));
        if (fromEnd)
            parts.Reverse();
        return parts;
    }

    private static List<object> SplitAtSpace(TemplateText text, int most, bool fromEnd)
    {
        string value = text.Value;
        List<object> parts = [];
        int start = 0, end = value.Length;
        while (true)
        {
            while (!fromEnd && start < end && PythonText.IsSpace(value[start]))
                start++;
            while (fromEnd && end > start && PythonText.IsSpace(value[end - 1]))
                end--;
            if (start == end)
                break;
            if (parts.Count == most)
            {
                parts.Add(text.Slice(start, end - start));
                break;
            }
            int cut = fromEnd ? end : start;
            while (fromEnd ? cut > start && !PythonText.IsSpace(value[cut - 1]) : cut < end && !PythonText.IsSpace(value[cut]))
                cut += fromEnd ? -1 : 1;
            parts.Add(fromEnd ? text.Slice(cut, end - cut) : text.Slice(start, cut - start));
            (start, end) = fromEnd ? (start, cut) : (cut, end);
        }
        if (fromEnd)
            parts.Reverse();
        return parts;
    }
}
