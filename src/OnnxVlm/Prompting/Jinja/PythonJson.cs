using System.Globalization;
using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>The filter <c>tojson</c> in Hugging Face's version: Python's json.dumps, without HTML escapes, and by default without ASCII escapes.</summary>
/// <param name="text">Receives the JSON.</param>
/// <param name="ensureAscii">Whether all non-ASCII characters are escaped.</param>
/// <param name="indent">The indentation of a level; null for a single line.</param>
/// <param name="itemSeparator">The separator between elements.</param>
/// <param name="keySeparator">The separator between a key and its value.</param>
/// <param name="sortKeys">Whether keys are sorted.</param>
/// <param name="budget">The budget of the rendering.</param>
internal sealed class PythonJson(
    TemplateTextBuilder text, bool ensureAscii, TemplateText? indent, TemplateText itemSeparator, TemplateText keySeparator, bool sortKeys,
    TemplateBudget budget)
{
    // The depth at which Python's json gives up.
    private const int MaxLevels = 1000;

    private int _level;

    /// <summary>The filter.</summary>
    public static object Filter(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        TemplateText? indent = bound[1] switch
        {
            null or NoneValue => null,
            TemplateText words => words,
            { } width => new TemplateTextBuilder(run.Budget).AppendRepeated(TemplateText.Own(" "), PythonType.ToIndex(width)).ToText(),
        };
        (TemplateText item, TemplateText key) = bound[2] switch
        {
            null or NoneValue => (TemplateText.Own(indent is null ? ", " : ","), TemplateText.Own(": ")),
            SequenceValue { Items: [TemplateText first, TemplateText second] } => (first, second),
            _ => throw JinjaException.Type("tojson: separators must be two texts"),
        };
        TemplateTextBuilder text = new(run.Budget);
        new PythonJson(text, bound[0] is { } ascii && PythonType.IsTrue(ascii), indent, item, key, bound[3] is { } sort && PythonType.IsTrue(sort), run.Budget)
            .Write(value);
        return text.ToText();
    }

    private void Write(object value)
    {
        TemplateBudget.EnsureStack();
        switch (value)
        {
            case TemplateText words:
                WriteString(words);
                break;
            case NoneValue:
                text.AppendOwn("null");
                break;
            case bool b:
                text.AppendOwn(b ? "true" : "false");
                break;
            case BigInteger integer:
                text.AppendOwn(integer.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                text.AppendOwn(WriteFloat(number));
                break;
            case SequenceValue sequence:
                WriteAll('[', sequence.Items, Write, ']');
                break;
            case DictValue dict:
                IEnumerable<KeyValuePair<object, object>> entries = Enumerable.Range(0, dict.Count).Select(dict.At);
                WriteAll('{', sortKeys ? PythonSorting.Sort(entries, entry => entry.Key, reverse: false, budget) : [.. entries], WriteEntry, '}');
                break;
            default:
                throw JinjaException.Type($"Object of type {PythonType.NameOf(value)} is not JSON serializable");
        }
    }

    private void WriteAll<T>(char open, IReadOnlyList<T> items, Action<T> write, char close)
    {
        text.Append(open, fromTemplate: true);
        if (++_level > MaxLevels)
            throw new JinjaException(JinjaError.Budget, $"tojson: the value nests more than {MaxLevels} deep");
        for (int i = 0; i < items.Count; i++)
        {
            budget.UseSteps();
            if (i > 0)
                text.Append(itemSeparator);
            WriteLineBreak();
            write(items[i]);
        }
        _level--;
        if (items.Count > 0)
            WriteLineBreak();
        text.Append(close, fromTemplate: true);
    }

    private void WriteLineBreak()
    {
        if (indent is null)
            return;
        text.AppendOwn("\n");
        text.AppendRepeated(indent, _level);
    }

    private void WriteEntry(KeyValuePair<object, object> entry)
    {
        if (entry.Key is TemplateText key)
            WriteString(key);
        else
            text.AppendOwn("\"" + entry.Key switch
            {
                NoneValue => "null",
                bool b => b ? "true" : "false",
                double number => WriteFloat(number),
                BigInteger integer => integer.ToString(CultureInfo.InvariantCulture),
                _ => throw JinjaException.Type($"keys must be str, int, float, bool or None, not {PythonType.NameOf(entry.Key)}"),
            } + "\"");
        text.Append(keySeparator);
        Write(entry.Value);
    }

    private static string WriteFloat(double number) =>
        double.IsNaN(number) ? "NaN" : double.IsInfinity(number) ? (number > 0 ? "Infinity" : "-Infinity") : PythonNumbers.Write(number);

    private void WriteString(TemplateText words)
    {
        text.AppendOwn("\"");
        int start = 0;
        for (int i = 0; i < words.Value.Length; i++)
        {
            if (Escape(words.Value[i]) is not { } escape)
                continue;
            text.Append(words, start, i - start).Append(escape, words.IsFromTemplate(i));
            start = i + 1;
        }
        text.Append(words, start, words.Value.Length - start).AppendOwn("\"");
    }

    private string? Escape(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\f' => "\\f",
        '\b' => "\\b",
        < ' ' => $"\\u{(int)c:x4}",
        > '\u007E' when ensureAscii => $"\\u{(int)c:x4}",
        _ => null,
    };
}
