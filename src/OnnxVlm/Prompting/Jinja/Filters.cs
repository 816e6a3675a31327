using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>A filter: it takes the value before the bar, and the arguments in the brackets after its name.</summary>
internal delegate object Filter(object value, CallArguments arguments, TemplateRun run);

/// <summary>Jinja's filters by name, without those that need randomness or HTML attributes (random, xmlattr, urlize, pprint).</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Filter> All = new(StringComparer.Ordinal)
    {
        ["abs"] = (value, arguments, _) => { arguments.Bind("abs", 0); return Abs(value); },
        ["attr"] = (value, arguments, _) => PythonMembers.OnlyAttribute(
            value, arguments.Bind("do_attr", 1, "name")[0] as TemplateText ?? throw JinjaException.Type("attribute name must be string")),
        ["batch"] = SequenceFilters.Batch,
        ["capitalize"] = (value, arguments, run) =>
        {
            arguments.Bind("do_capitalize", 0);
            return PythonCase.Capitalize(PythonText.Str(value, run.Budget), run.Budget);
        },
        ["center"] = TextFilters.Center,
        ["count"] = (value, arguments, _) => { arguments.Bind("len", 0); return PythonType.LengthOf(value); },
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = SequenceFilters.DictSort,
        ["e"] = Escape,
        ["escape"] = Escape,
        ["filesizeformat"] = TextFilters.FileSize,
        ["first"] = (value, _, run) =>
        {
            foreach (object element in PythonType.Elements(value, run.Budget))
                return element;
            return UndefinedValue.Hint("No first item, sequence was empty.");
        },
        ["float"] = ToFloat,
        ["forceescape"] = (value, _, run) => HtmlText.Escape(PythonText.Str(value, run.Budget).AsMarkup(false), run.Budget),
        ["format"] = TextFilters.Format,
        ["groupby"] = SequenceFilters.GroupBy,
        ["indent"] = TextFilters.Indent,
        ["int"] = ToInteger,
        ["items"] = (value, _, _) => value switch
        {
            UndefinedValue => new IteratorValue([]),
            DictValue dict => new IteratorValue(new DictView(dict, DictPart.Items).Elements()),
            _ => new IteratorValue(Failing(JinjaException.Type("Can only get item pairs from a mapping."))),
        },
        ["join"] = SequenceFilters.Join,
        ["last"] = SequenceFilters.Last,
        ["length"] = (value, arguments, _) => { arguments.Bind("len", 0); return PythonType.LengthOf(value); },
        ["list"] = (value, _, run) => new ListValue(PythonType.ToList(value, run.Budget)),
        ["lower"] = (value, arguments, run) => { arguments.Bind("do_lower", 0); return PythonCase.Lower(PythonText.Str(value, run.Budget), run.Budget); },
        ["map"] = SequenceFilters.Map,
        ["max"] = (value, arguments, run) => SequenceFilters.Extreme(value, arguments, run, isMax: true),
        ["min"] = (value, arguments, run) => SequenceFilters.Extreme(value, arguments, run, isMax: false),
        ["reject"] = (value, arguments, run) => SequenceFilters.Select(value, arguments, run, expected: false, byAttribute: false),
        ["rejectattr"] = (value, arguments, run) => SequenceFilters.Select(value, arguments, run, expected: false, byAttribute: true),
        ["replace"] = TextFilters.Replace,
        ["reverse"] = SequenceFilters.Reverse,
        ["round"] = Round,
        ["safe"] = (value, _, run) => PythonText.Str(value, run.Budget).AsMarkup(true),
        ["select"] = (value, arguments, run) => SequenceFilters.Select(value, arguments, run, expected: true, byAttribute: false),
        ["selectattr"] = (value, arguments, run) => SequenceFilters.Select(value, arguments, run, expected: true, byAttribute: true),
        ["slice"] = SequenceFilters.Slice,
        ["sort"] = SequenceFilters.Sort,
        ["string"] = (value, _, run) => PythonText.Str(value, run.Budget),
        ["striptags"] = TextFilters.StripTags,
        ["sum"] = SequenceFilters.Sum,
        ["title"] = (value, arguments, run) => { arguments.Bind("do_title", 0); return TextFilters.Title(PythonText.Str(value, run.Budget), run.Budget); },
        ["tojson"] = PythonJson.Filter,
        ["trim"] = TextFilters.Trim,
        ["truncate"] = TextFilters.Truncate,
        ["unique"] = SequenceFilters.Unique,
        ["upper"] = (value, arguments, run) => { arguments.Bind("do_upper", 0); return PythonCase.Upper(PythonText.Str(value, run.Budget), run.Budget); },
        ["urlencode"] = TextFilters.UrlEncode,
        ["wordcount"] = TextFilters.WordCount,
        ["wordwrap"] = TextFilters.WordWrap,
    };

    public static bool Has(string name) => All.ContainsKey(name);

    /// <exception cref="JinjaException">There is no such filter, or it does not accept these values.</exception>
    public static object Apply(string name, object value, CallArguments arguments, TemplateRun run)
    {
        run.Budget.UseSteps(value is TemplateText text ? 1 + (text.Value.Length / 16) : 1);
        return All.TryGetValue(name, out Filter? filter)
            ? filter(value, arguments, run)
            : throw new JinjaException(JinjaError.Runtime, $"No filter named {PythonText.Quote(name)}.");
    }

    private static object Abs(object value) => value switch
    {
        double d => Math.Abs(d),
        _ => PythonType.TryInteger(value, out BigInteger integer)
            ? BigInteger.Abs(integer)
            : throw JinjaException.Type($"bad operand type for abs(): '{PythonType.NameOf(value)}'"),
    };

    private static object Default(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_default", 0, "default_value", "boolean");
        bool isMissing = value is UndefinedValue || (bound[1] is { } boolean && PythonType.IsTrue(boolean) && !PythonType.IsTrue(value));
        return isMissing ? bound[0] ?? TemplateText.Empty : value;
    }

    private static TemplateText Escape(object value, CallArguments arguments, TemplateRun run)
    {
        arguments.Bind("escape", 0);
        return HtmlText.Escape(PythonText.Str(value, run.Budget), run.Budget);
    }

    private static object ToFloat(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_float", 0, "default");
        return value switch
        {
            UndefinedValue undefined => throw undefined.Fail(),
            TemplateText text => PythonNumbers.TryReadFloat(text.Value),
            bool or BigInteger or double => PythonOperators.ToDouble(value),
            _ => null,
        } ?? bound[0] ?? 0.0;
    }

    private static object ToInteger(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_int", 0, "default", "base");
        object missing = bound[0] ?? BigInteger.Zero;
        switch (value)
        {
            case UndefinedValue undefined:
                throw undefined.Fail();
            case TemplateText text:
                int radix = bound[1] is null ? 10 : PythonType.ToIndex(bound[1]!);
                if (radix is 0 or (>= 2 and <= 36) && PythonNumbers.TryReadInteger(text.Value, radix) is { } read)
                    return read;
                return PythonNumbers.TryReadFloat(text.Value) is { } number && double.IsFinite(number) ? new BigInteger(number) : missing;
            case double d when double.IsInfinity(d):
                throw new JinjaException(JinjaError.Overflow, "cannot convert float infinity to integer");
            case double d:
                return double.IsNaN(d) ? missing : new BigInteger(d);
            default:
                return PythonType.TryInteger(value, out BigInteger integer) ? integer : missing;
        }
    }

    private static object Round(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_round", 0, "precision", "method");
        string method = (bound[1] as TemplateText)?.Value ?? (bound[1] is null ? "common" : "");
        if (method is not ("common" or "ceil" or "floor"))
            throw new JinjaException(JinjaError.Runtime, "method must be common, ceil or floor");
        int precision = bound[0] is null ? 0 : PythonType.ToIndex(bound[0]!);
        if (value is UndefinedValue || !PythonType.IsNumber(value))
            throw JinjaException.Type($"type {PythonType.NameOf(value)} doesn't define __round__ method");
        if (method == "common")
            return PythonType.TryInteger(value, out BigInteger integer)
                ? PythonRounding.Round(integer, precision, run.Limits)
                : PythonRounding.Round((double)value, precision);
        object power = PythonOperators.Power((BigInteger)10, (BigInteger)precision, run);
        double scaled = PythonOperators.ToDouble(PythonOperators.Multiply(value, power, run));
        if (!double.IsFinite(scaled))
            throw new JinjaException(JinjaError.Overflow, "cannot convert float infinity to integer");
        return PythonOperators.Divide(new BigInteger(method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)), power);
    }

    private static IEnumerable<object> Failing(JinjaException exception)
    {
        yield return exception is null ? NoneValue.Instance : throw exception;
    }
}
