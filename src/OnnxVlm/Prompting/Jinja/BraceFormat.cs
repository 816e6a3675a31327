using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's <c>'…{}…'.format(values)</c>, with the sandbox's access to attributes and elements. Inserted text keeps its origin.</summary>
internal static class BraceFormat
{
    public static object Format(TemplateText format, CallArguments arguments, TemplateRun run) => new Formatter(format, arguments, run).Write();

    public static object FormatMap(TemplateText format, CallArguments arguments, TemplateRun run)
    {
        if (arguments.Bind("format_map", 1, "mapping")[0] is not DictValue mapping)
            throw JinjaException.Type("format_map() takes a mapping");
        return new Formatter(format, new CallArguments([], [.. Enumerable.Range(0, mapping.Count).Select(mapping.At).Where(entry => entry.Key is TemplateText)
            .Select(entry => KeyValuePair.Create(((TemplateText)entry.Key).Value, entry.Value))]), run).Write();
    }

    private sealed class Formatter(TemplateText format, CallArguments arguments, TemplateRun run)
    {
        private int _automatic;
        private bool _isManual;

        public TemplateText Write() => Write(0, format.Value.Length, depth: 2);

        // A format specification may contain fields, one level deep.
        private TemplateText Write(int start, int end, int depth)
        {
            TemplateTextBuilder text = new(run.Budget);
            string source = format.Value;
            for (int i = start; i < end;)
            {
                char c = source[i];
                if (c is '{' or '}' && i + 1 < end && source[i + 1] == c)
                {
                    text.Append(format, i, 1);
                    i += 2;
                    continue;
                }
                if (c == '}')
                    throw JinjaException.Value("Single '}' encountered in format string");
                if (c != '{')
                {
                    text.Append(format, i++, 1);
                    continue;
                }
                int close = FindClose(source, i + 1, end);
                AppendField(text, i + 1, close, depth);
                i = close + 1;
            }
            return text.ToText();
        }

        private static int FindClose(string source, int start, int end)
        {
            int depth = 1;
            for (int i = start; i < end; i++)
            {
                depth += source[i] switch { '{' => 1, '}' => -1, _ => 0 };
                if (depth == 0)
                    return i;
            }
            throw JinjaException.Value(start == end ? "Single '{' encountered in format string" : "expected '}' before end of string");
        }

        private void AppendField(TemplateTextBuilder text, int start, int end, int depth)
        {
            if (depth == 0)
                throw JinjaException.Value("Max string recursion exceeded");
            run.Budget.UseSteps();
            string source = format.Value;
            int stop = start;
            // The name ends at a conversion or a specification; brackets may contain either sign.
            for (bool inBrackets = false; stop < end && (inBrackets || source[stop] is not ('!' or ':')); stop++)
                inBrackets = source[stop] == '[' || (inBrackets && source[stop] != ']');
            object value = Lookup(source[start..stop]);
            if (stop < end && source[stop] == '!')
            {
                if (stop + 1 >= end || (stop + 2 < end && source[stop + 2] != ':'))
                    throw JinjaException.Value("expected ':' after conversion specifier");
                value = source[stop + 1] switch
                {
                    's' => PythonText.Str(value, run.Budget),
                    'r' or 'a' => PythonText.Repr(value, run.Budget),
                    char other => throw JinjaException.Value($"Unknown conversion specifier {other}"),
                };
                stop += 2;
            }
            TemplateText specification = stop < end ? Write(stop + 1, end, depth - 1) : TemplateText.Empty;
            FormatSpecification.Append(text, value, specification, run);
        }

        private object Lookup(string field)
        {
            int rest = field.AsSpan().IndexOfAny('.', '[');
            string first = rest < 0 ? field : field[..rest];
            object value = First(first);
            for (int i = rest < 0 ? field.Length : rest; i < field.Length;)
            {
                if (field[i] == '.')
                {
                    int end = field.AsSpan(i + 1).IndexOfAny('.', '[');
                    end = end < 0 ? field.Length : i + 1 + end;
                    if (end == i + 1)
                        throw JinjaException.Value("Empty attribute in format string");
                    value = PythonMembers.Attribute(value, TemplateText.Own(field[(i + 1)..end]), run);
                    i = end;
                    continue;
                }
                int close = field.IndexOf(']', i);
                if (field[i] != '[' || close < 0)
                    throw JinjaException.Value(field[i] != '[' ? "Only '.' or '[' may follow ']' in format field specifier" : "Missing ']' in format string");
                string key = field[(i + 1)..close];
                bool isIndex = key.Length > 0 && key.All(char.IsAsciiDigit);
                object member = isIndex ? BigInteger.Parse(key, System.Globalization.CultureInfo.InvariantCulture) : TemplateText.Own(key);
                value = PythonMembers.Element(value, member, run);
                i = close + 1;
            }
            return value;
        }

        private object First(string name)
        {
            if (name.Length > 0 && !name.All(char.IsAsciiDigit))
            {
                foreach ((string key, object value) in arguments.Named)
                {
                    if (key == name)
                        return value;
                }
                throw new JinjaException(JinjaError.Lookup, PythonText.Quote(name));
            }
            if (name.Length == 0 ? _isManual : _automatic > 0)
                throw JinjaException.Value("cannot switch from manual field specification to automatic field numbering");
            _isManual = name.Length > 0;
            int index = name.Length == 0 ? _automatic++ : int.TryParse(name, out int given) ? given : int.MaxValue;
            return index < arguments.Positional.Count ? arguments.Positional[index] : throw new JinjaException(JinjaError.Lookup, "tuple index out of range");
        }
    }
}
