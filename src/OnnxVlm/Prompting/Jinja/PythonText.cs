using System.Globalization;
using System.Numerics;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Values as text: Python's str() and repr(), and Python's ideas of white space and of printable characters.</summary>
internal static class PythonText
{
    /// <summary>Python's white space: .NET's, and the four separators U+001C to U+001F.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary>str.strip() of a plain string.</summary>
    public static string Strip(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && IsSpace(text[start]))
            start++;
        while (end > start && IsSpace(text[end - 1]))
            end--;
        return text[start..end];
    }

    /// <summary>str(): the output of <c>{{ … }}</c>.</summary>
    public static TemplateText Str(object value, TemplateBudget budget) => value switch
    {
        TemplateText text => text,
        UndefinedValue => TemplateText.Empty,
        _ => Repr(value, budget),
    };

    /// <summary>repr(): the form of a value inside a printed list.</summary>
    public static TemplateText Repr(object value, TemplateBudget budget)
    {
        TemplateTextBuilder text = new(budget);
        AppendRepr(text, value);
        return text.ToText();
    }

    /// <summary>repr() of a short value, for error messages.</summary>
    public static string ReprForMessage(object value) => Repr(value, new TemplateBudget(TemplateLimits.Default with { MaxCharacters = 100_000 })).Value;

    /// <summary>repr() of a name, for error messages.</summary>
    public static string Quote(string name) => ReprForMessage(TemplateText.Own(name));

    /// <summary>Whether repr() writes a code point without an escape: letters, marks, digits, punctuation, symbols and the blank.</summary>
    public static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    private static void AppendRepr(TemplateTextBuilder text, object value)
    {
        TemplateBudget.EnsureStack();
        switch (value)
        {
            case TemplateText { IsMarkup: true } markup:
                text.AppendOwn("Markup(");
                AppendQuoted(text, markup);
                text.AppendOwn(")");
                break;
            case TemplateText words:
                AppendQuoted(text, words);
                break;
            case NoneValue:
                text.AppendOwn("None");
                break;
            case bool or BigInteger or double:
                text.AppendOwn(PythonNumbers.Write(value));
                break;
            case ListValue list:
                AppendAll(text, "[", list.Items, "]");
                break;
            case TupleValue tuple:
                AppendAll(text, "(", tuple.Items, tuple.Items.Count == 1 ? ",)" : ")");
                break;
            case DictValue dict:
                AppendDict(text, dict);
                break;
            case DictView view:
                AppendAll(text, PythonType.NameOf(view) + "([", view.Elements(), "])");
                break;
            case RangeValue range:
                text.AppendOwn(range.Step.IsOne ? $"range({range.Start}, {range.Stop})" : $"range({range.Start}, {range.Stop}, {range.Step})");
                break;
            case SliceValue slice:
                AppendAll(text, "slice(", [slice.Start, slice.Stop, slice.Step], ")");
                break;
            case UndefinedValue:
                text.AppendOwn("Undefined");
                break;
            case NamespaceValue names:
                text.AppendOwn("<Namespace ");
                AppendDict(text, names.Attributes);
                text.AppendOwn(">");
                break;
            case LoopValue loop:
                text.AppendOwn($"<LoopContext {loop.Index}/{loop.Length}>");
                break;
            case MacroValue macro:
                text.AppendOwn($"<Macro {macro.NameForMessage}>");
                break;
            default:
                // Python shows an address here; no template can depend on it.
                text.AppendOwn($"<{PythonType.NameOf(value)} object>");
                break;
        }
    }

    private static void AppendAll(TemplateTextBuilder text, string open, IEnumerable<object> items, string close)
    {
        text.AppendOwn(open);
        bool isFirst = true;
        foreach (object item in items)
        {
            if (!isFirst)
                text.AppendOwn(", ");
            isFirst = false;
            AppendRepr(text, item);
        }
        text.AppendOwn(close);
    }

    private static void AppendDict(TemplateTextBuilder text, DictValue dict)
    {
        text.AppendOwn("{");
        for (int i = 0; i < dict.Count; i++)
        {
            (object key, object value) = dict.At(i);
            if (i > 0)
                text.AppendOwn(", ");
            AppendRepr(text, key);
            text.AppendOwn(": ");
            AppendRepr(text, value);
        }
        text.AppendOwn("}");
    }

    // Single quotes, or double ones where they save escapes.
    private static void AppendQuoted(TemplateTextBuilder text, TemplateText words)
    {
        string value = words.Value;
        char quote = value.Contains('\'', StringComparison.Ordinal) && !value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        text.Append(quote, fromTemplate: true);
        for (int i = 0; i < value.Length;)
        {
            bool isRune = Rune.TryGetRuneAt(value, i, out Rune rune);
            int length = isRune ? rune.Utf16SequenceLength : 1;
            if (isRune && value[i] != quote && value[i] != '\\' && IsPrintable(rune))
                text.Append(words, i, length);
            else
                text.Append(Escape(isRune ? rune.Value : value[i], quote), words.IsFromTemplate(i));
            i += length;
        }
        text.Append(quote, fromTemplate: true);
    }

    private static string Escape(int codePoint, char quote) => codePoint switch
    {
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ when codePoint == quote => "\\" + quote,
        <= 0xFF => $"\\x{codePoint:x2}",
        <= 0xFFFF => $"\\u{codePoint:x4}",
        _ => $"\\U{codePoint:x8}",
    };
}
