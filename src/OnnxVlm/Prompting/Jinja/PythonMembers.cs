using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// Access with a dot or brackets, as in Jinja's sandbox: <c>a.b</c> looks for an attribute first and then for an element, <c>a['b']</c> the other way
/// round. A missing member is undefined. Attributes that begin with an underscore, and methods that change a list or a dict, are forbidden.
/// </summary>
internal static class PythonMembers
{
    private static readonly HashSet<string> ListChangers =
        new(StringComparer.Ordinal) { "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove" };

    private static readonly HashSet<string> DictChangers = new(StringComparer.Ordinal) { "clear", "pop", "popitem", "setdefault", "update" };

    /// <summary><c>a.b</c></summary>
    public static object Attribute(object owner, TemplateText name, TemplateRun run) =>
        TryAttribute(owner, name.Value) ?? TryElement(owner, name, run) ?? UndefinedValue.Member(owner, name);

    /// <summary><c>a[b]</c></summary>
    public static object Element(object owner, object key, TemplateRun run) =>
        TryElement(owner, key, run) ?? (key is TemplateText name ? TryAttribute(owner, name.Value) : null) ?? UndefinedValue.Member(owner, key);

    /// <summary>The filter <c>attr</c>: an attribute, never an element.</summary>
    public static object OnlyAttribute(object owner, TemplateText name) => TryAttribute(owner, name.Value) ?? UndefinedValue.Member(owner, name);

    /// <summary><c>a[b:c:d]</c>, which Jinja leaves to Python: slicing a value that has no slices is an error.</summary>
    public static object Slice(object owner, SliceValue slice, TemplateRun run)
    {
        if (owner is UndefinedValue undefined)
            throw undefined.Fail();
        if (owner is not (TemplateText or SequenceValue or RangeValue))
            throw JinjaException.Type(owner is DictValue ? "unhashable type: 'slice'" : $"'{PythonType.NameOf(owner)}' object is not subscriptable");
        if (!IsBound(slice.Start) || !IsBound(slice.Stop) || !IsBound(slice.Step))
            throw JinjaException.Type("slice indices must be integers or None or have an __index__ method");
        if (owner is TemplateText words)
            run.Budget.UseSteps(words.Value.Length / 64);
        int length = (int)PythonType.LengthOf(owner), step = slice.Step is NoneValue ? 1 : PythonType.ToIndex(slice.Step);
        if (step == 0)
            throw JinjaException.Value("slice step cannot be zero");
        int start = Clip(slice.Start, step > 0 ? 0 : length - 1), stop = Clip(slice.Stop, step > 0 ? length : -1);
        int count = (int)Math.Max(0, step > 0 ? ((long)stop - start + step - 1) / step : ((long)start - stop - step - 1) / -(long)step);
        switch (owner)
        {
            case TemplateText text when step == 1:
                int first = text.UnitOf(start), end = text.UnitOf(start + count);
                run.Budget.UseCharacters(end - first);
                return text.Slice(first, end - first);
            case TemplateText text:
                TemplateTextBuilder picked = new(run.Budget);
                int[] units = text.UnitsOfAll();
                for (int i = 0; i < count; i++)
                    picked.Append(text, units[start + (i * step)], units[start + (i * step) + 1] - units[start + (i * step)]);
                return picked.ToText().AsMarkup(text.IsMarkup);
            case SequenceValue sequence:
                run.Budget.UseSteps(count);
                object[] items = new object[count];
                for (int i = 0; i < count; i++)
                    items[i] = sequence.Items[start + (i * step)];
                return sequence.With(items);
            default:
                RangeValue range = (RangeValue)owner;
                return new RangeValue(range.At(start), range.At(start + ((BigInteger)count * step)), range.Step * step);
        }

        static bool IsBound(object bound) => bound is NoneValue or BigInteger or bool;

        int Clip(object bound, int missing)
        {
            if (bound is NoneValue)
                return missing;
            int index = PythonType.ToIndex(bound);
            if (index < 0)
                index += length;
            return Math.Clamp(index, step > 0 ? 0 : -1, step > 0 ? length : length - 1);
        }
    }

    private static object? TryAttribute(object owner, string name)
    {
        if (owner is UndefinedValue undefined)
            throw undefined.Fail();
        if (owner is NamespaceValue names)
            return names.Attributes.TryGet(TemplateText.Own(name), out object value) ? value : null;
        bool changes = owner is ListValue ? ListChangers.Contains(name) : owner is DictValue && DictChangers.Contains(name);
        if (changes || (name.StartsWith("__", StringComparison.Ordinal) && name.EndsWith("__", StringComparison.Ordinal)))
            return UndefinedValue.Hint(
                $"access to attribute {PythonText.Quote(name)} of {PythonText.Quote(PythonType.NameOf(owner))} object is unsafe.", JinjaError.Security);
        return owner switch
        {
            TemplateText text => StringMethods.Find(text, name),
            DictValue dict => DictMethod(dict, name),
            TupleValue { IsGroup: true } group when name is "grouper" or "list" => group.Items[name == "grouper" ? 0 : 1],
            SequenceValue sequence => SequenceMethod(sequence, name),
            RangeValue range => name switch { "start" => range.Start, "stop" => range.Stop, "step" => range.Step, _ => null },
            LoopValue loop => loop.Attribute(name),
            CallableValue callable => callable.Attribute(name),
            BigInteger or bool or double => NumberMember(owner, name),
            _ => null,
        };
    }

    private static object? TryElement(object owner, object key, TemplateRun run)
    {
        switch (owner)
        {
            case UndefinedValue undefined:
                throw undefined.Fail();
            case DictValue dict:
                return key is not (ListValue or DictValue or SliceValue) && dict.TryGet(key, out object value) ? value : null;
            case TemplateText or SequenceValue or RangeValue when PythonType.TryInteger(key, out BigInteger index):
                BigInteger length = PythonType.LengthOf(owner);
                if (owner is TemplateText words)
                    run.Budget.UseSteps(words.Value.Length / 64);
                if (index.Sign < 0)
                    index += length;
                if (index.Sign < 0 || index >= length)
                    return null;
                return owner switch
                {
                    TemplateText text => text.CodePointAt(text.UnitOf((int)index)),
                    SequenceValue sequence => sequence.Items[(int)index],
                    _ => ((RangeValue)owner).At(index),
                };
            default:
                return null;
        }
    }

    private static FunctionValue? DictMethod(DictValue dict, string name) => name switch
    {
        "get" => new FunctionValue(name, (arguments, run) =>
        {
            object?[] bound = arguments.Bind(name, 1, "key", "default");
            PythonComparison.RequireHashable(bound[0]!, run.Budget);
            return dict.TryGet(bound[0]!, out object value) ? value : bound[1] ?? NoneValue.Instance;
        }),
        "items" => View(dict, name, DictPart.Items),
        "keys" => View(dict, name, DictPart.Keys),
        "values" => View(dict, name, DictPart.Values),
        "copy" => new FunctionValue(name, (arguments, _) =>
        {
            arguments.Bind(name, 0);
            return dict;
        }),
        _ => null,
    };

    private static FunctionValue View(DictValue dict, string name, DictPart part) => new(name, (arguments, _) =>
    {
        arguments.Bind(name, 0);
        return new DictView(dict, part);
    });

    private static FunctionValue? SequenceMethod(SequenceValue sequence, string name) => name switch
    {
        "count" => new FunctionValue(name, (arguments, run) =>
        {
            object value = arguments.Bind(name, 1, "value")[0]!;
            return (BigInteger)sequence.Items.Count(item => PythonComparison.AreEqual(item, value, run.Budget));
        }),
        "index" => new FunctionValue(name, (arguments, run) =>
        {
            object?[] bound = arguments.Bind(name, 1, "value", "start", "stop");
            (int start, int stop) = (Clip(bound[1], 0, sequence.Items.Count), Clip(bound[2], sequence.Items.Count, sequence.Items.Count));
            for (int i = start; i < stop; i++)
            {
                if (PythonComparison.AreEqual(sequence.Items[i], bound[0]!, run.Budget))
                    return (BigInteger)i;
            }
            throw JinjaException.Value(sequence is ListValue ? $"{PythonText.ReprForMessage(bound[0]!)} is not in list" : "tuple.index(x): x not in tuple");
        }),
        "copy" when sequence is ListValue => new FunctionValue(name, (_, _) => sequence),
        _ => null,
    };

    // Clips a bound of list.index(), which may be negative or out of range.
    private static int Clip(object? bound, int missing, int length)
    {
        if (bound is null)
            return missing;
        int index = PythonType.ToIndex(bound);
        return Math.Clamp(index < 0 ? index + length : index, 0, length);
    }

    private static object? NumberMember(object number, string name) => name switch
    {
        "real" or "numerator" when number is not double => PythonOperators.Plus(number),
        "real" => number,
        "imag" => number is double ? 0.0 : BigInteger.Zero,
        "denominator" when number is not double => BigInteger.One,
        "bit_length" when PythonType.TryInteger(number, out BigInteger integer) =>
            new FunctionValue(name, (_, _) => (BigInteger)(long)BigInteger.Abs(integer).GetBitLength()),
        "is_integer" when number is double d => new FunctionValue(name, (_, _) => double.IsFinite(d) && d == Math.Floor(d)),
        _ => null,
    };
}
