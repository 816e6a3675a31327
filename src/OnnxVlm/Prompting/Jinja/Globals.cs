using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>The functions that every template has: Jinja's own, and Hugging Face's raise_exception and strftime_now.</summary>
internal static class Globals
{
    /// <summary>The longest range that Jinja's sandbox allows.</summary>
    private const int MaxRange = 100_000;

    public static IReadOnlyDictionary<string, object> All { get; } = new Dictionary<string, object>(StringComparer.Ordinal)
    {
        ["range"] = new FunctionValue("range", (arguments, _) => Range(arguments)),
        ["dict"] = new FunctionValue("dict", MakeDict),
        ["namespace"] = new FunctionValue("namespace", (arguments, run) => new NamespaceValue(MakeDict(arguments, run))),
        ["cycler"] = new FunctionValue("cycler", (arguments, _) => new CyclerValue(arguments.Positional)),
        ["joiner"] = new FunctionValue("joiner", (arguments, _) => new JoinerValue(arguments.Bind("joiner", 0, "sep")[0] ?? TemplateText.Own(", "))),
        ["raise_exception"] = new FunctionValue("raise_exception", (arguments, run) =>
            throw new JinjaException(JinjaError.Raised, PythonText.Str(arguments.Bind("raise_exception", 1, "message")[0]!, run.Budget).Value)),
        ["strftime_now"] = new FunctionValue("strftime_now", (arguments, run) => arguments.Bind("strftime_now", 1, "format")[0] is TemplateText format
            ? TemplateText.Own(TimeFormat.Write(run.Now, format.Value, run.Budget))
            : throw JinjaException.Type("strftime() argument 1 must be str")),
    };

    private static RangeValue Range(CallArguments arguments)
    {
        object?[] bound = arguments.Bind("range", 1, "start", "stop", "step");
        BigInteger first = Integer(bound[0]!), step = bound[2] is null ? 1 : Integer(bound[2]!);
        if (step.IsZero)
            throw JinjaException.Value("range() arg 3 must not be zero");
        RangeValue range = bound[1] is null ? new RangeValue(0, first, step) : new RangeValue(first, Integer(bound[1]!), step);
        return range.Count <= MaxRange
            ? range
            : throw new JinjaException(JinjaError.Overflow, $"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).");

        static BigInteger Integer(object value) => PythonType.TryInteger(value, out BigInteger integer) ? integer
            : throw JinjaException.Type(
                $"'{(value is UndefinedValue ? "Undefined" : PythonType.NameOf(value))}' object cannot be interpreted as an integer");
    }

    private static DictValue MakeDict(CallArguments arguments, TemplateRun run)
    {
        if (arguments.Positional.Count > 1)
            throw JinjaException.Type($"dict expected at most 1 argument, got {arguments.Positional.Count}");
        DictValue dict = new(new KeyComparer(run.Budget));
        if (arguments.Positional is [DictValue other])
        {
            run.Budget.UseSteps(other.Count);
            for (int i = 0; i < other.Count; i++)
                dict.Set(other.At(i).Key, other.At(i).Value);
        }
        else if (arguments.Positional is [{ } pairs])
        {
            int count = 0;
            foreach (object pair in PythonType.Elements(pairs, run.Budget))
            {
                if (!PythonType.IsIterable(pair))
                    throw JinjaException.Type($"cannot convert dictionary update sequence element #{count} to a sequence");
                List<object> entry = PythonType.ToList(pair, run.Budget);
                if (entry.Count != 2)
                    throw JinjaException.Value($"dictionary update sequence element #{count} has length {entry.Count}; 2 is required");
                dict.Set(entry[0], entry[1]);
                count++;
            }
        }
        foreach ((string name, object value) in arguments.Named)
            dict.Set(name, value);
        return dict;
    }
}

/// <summary>The result of <c>cycler()</c>: it returns several values in turn, again and again.</summary>
internal sealed class CyclerValue : CallableValue
{
    private readonly IReadOnlyList<object> _items;
    private int _position;

    public CyclerValue(IReadOnlyList<object> items)
    {
        if (items.Count == 0)
            throw new JinjaException(JinjaError.Runtime, "at least one item has to be provided");
        _items = items;
    }

    public override string TypeName => "Cycler";

    public override object Call(CallArguments arguments, TemplateRun run) => throw JinjaException.Type("'Cycler' object is not callable");

    public override object? Attribute(string name) => name switch
    {
        "current" => _items[_position],
        "items" => new TupleValue(_items),
        "pos" => (BigInteger)_position,
        "next" => new FunctionValue(name, (_, _) =>
        {
            object current = _items[_position];
            _position = (_position + 1) % _items.Count;
            return current;
        }),
        "reset" => new FunctionValue(name, (_, _) =>
        {
            _position = 0;
            return NoneValue.Instance;
        }),
        _ => null,
    };
}

/// <summary>The result of <c>joiner()</c>: it returns nothing at the first call, and the separator at all others.</summary>
internal sealed class JoinerValue(object separator) : CallableValue
{
    private bool _used;

    public override string TypeName => "Joiner";

    public override object Call(CallArguments arguments, TemplateRun run)
    {
        arguments.Bind("joiner", 0);
        bool isFirst = !_used;
        _used = true;
        return isFirst ? TemplateText.Empty : separator;
    }

    public override object? Attribute(string name) => name switch { "sep" => separator, "used" => _used, _ => null };
}
