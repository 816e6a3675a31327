using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Jinja's filters on sequences. Those that are generators in Python produce their elements on demand.</summary>
internal static class SequenceFilters
{
    public static object Join(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_join", 0, "d", "attribute");
        TemplateText separator = bound[0] is null ? TemplateText.Empty : PythonText.Str(bound[0]!, run.Budget);
        Func<object, object> attribute = bound[1] is null or NoneValue ? item => item : AttributeOf(bound[1]!, run);
        TemplateTextBuilder joined = new(run.Budget);
        bool isFirst = true;
        foreach (object item in PythonType.Elements(value, run.Budget))
        {
            if (!isFirst)
                joined.Append(separator);
            isFirst = false;
            joined.Append(PythonText.Str(attribute(item), run.Budget));
        }
        return joined.ToText();
    }

    public static object Last(object value, CallArguments arguments, TemplateRun run)
    {
        if (value is IteratorValue or LoopValue || !PythonType.IsIterable(value))
            throw JinjaException.Type($"'{PythonType.NameOf(value)}' object is not reversible");
        if (value is UndefinedValue)
            return UndefinedValue.Hint("No last item, sequence was empty.");
        BigInteger length = PythonType.LengthOf(value);
        if (length.IsZero)
            return UndefinedValue.Hint("No last item, sequence was empty.");
        return value is DictValue or DictView ? PythonType.ToList(value, run.Budget)[^1] : PythonMembers.Element(value, length - 1, run);
    }

    public static object Map(object value, CallArguments arguments, TemplateRun run)
    {
        return new IteratorValue(Elements());

        IEnumerable<object> Elements()
        {
            if (!PythonType.IsTrue(value))
                yield break;
            Func<object, object> map = Prepare();
            foreach (object item in PythonType.Elements(value, run.Budget))
                yield return map(item);
        }

        Func<object, object> Prepare()
        {
            if (arguments.Positional.Count == 0 && arguments.Named.Any(argument => argument.Key == "attribute"))
            {
                object? attribute = null, missing = null;
                foreach ((string name, object argument) in arguments.Named)
                {
                    if (name is not ("attribute" or "default"))
                        throw new JinjaException(JinjaError.Runtime, $"Unexpected keyword argument {PythonText.Quote(name)}");
                    (attribute, missing) = name == "attribute" ? (argument, missing) : (attribute, argument is NoneValue ? null : argument);
                }
                return AttributeOf(attribute!, run, missing);
            }
            if (arguments.Positional.Count == 0)
                throw new JinjaException(JinjaError.Runtime, "map requires a filter argument");
            string filter = NameOf(arguments.Positional[0], "filter");
            CallArguments rest = arguments with { Positional = [.. arguments.Positional.Skip(1)] };
            return item => Filters.Apply(filter, item, rest, run);
        }
    }

    public static object Select(object value, CallArguments arguments, TemplateRun run, bool expected, bool byAttribute)
    {
        return new IteratorValue(Elements());

        IEnumerable<object> Elements()
        {
            if (!PythonType.IsTrue(value))
                yield break;
            int offset = byAttribute ? 1 : 0;
            if (arguments.Positional.Count < offset)
                throw new JinjaException(JinjaError.Runtime, "Missing parameter for attribute name");
            Func<object, object> attribute = byAttribute ? AttributeOf(arguments.Positional[0], run) : item => item;
            string? test = arguments.Positional.Count > offset ? NameOf(arguments.Positional[offset], "test") : null;
            CallArguments rest = arguments with { Positional = [.. arguments.Positional.Skip(offset + 1)] };
            foreach (object item in PythonType.Elements(value, run.Budget))
            {
                object tested = attribute(item);
                if ((test is null ? PythonType.IsTrue(tested) : PythonType.IsTrue(Tests.Apply(test, tested, rest, run))) == expected)
                    yield return item;
            }
        }
    }

    public static object Sort(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_sort", 0, "reverse", "case_sensitive", "attribute");
        bool ignoresCase = !IsTrue(bound[1]);
        Func<object, object>[] keys = bound[2] is TemplateText names
            ? [.. names.Value.Split(',').Select(name => AttributeOf(TemplateText.Own(name), run))]
            : [bound[2] is null or NoneValue ? item => item : AttributeOf(bound[2]!, run)];
        List<object> items = PythonType.ToList(value, run.Budget);
        return new ListValue(PythonSorting.Sort(
            items, item => new ListValue([.. keys.Select(key => ignoresCase ? IgnoreCase(key(item), run) : key(item))]), IsTrue(bound[0]), run.Budget));
    }

    public static object DictSort(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_dictsort", 0, "case_sensitive", "by", "reverse");
        int position = (bound[1] as TemplateText)?.Value switch
        {
            null when bound[1] is null => 0,
            "key" => 0,
            "value" => 1,
            _ => throw new JinjaException(JinjaError.Runtime, "You can only sort by either \"key\" or \"value\""),
        };
        if (value is UndefinedValue undefined)
            throw undefined.Fail();
        if (value is not DictValue dict)
            throw new JinjaException(JinjaError.Runtime, $"'{PythonType.NameOf(value)}' object has no attribute 'items'");
        bool ignoresCase = !IsTrue(bound[0]);
        run.Budget.UseSteps(dict.Count);
        return new ListValue(PythonSorting.Sort(
            new DictView(dict, DictPart.Items).Elements(),
            item => ((TupleValue)item).Items[position] is var key && ignoresCase ? IgnoreCase(key, run) : ((TupleValue)item).Items[position],
            IsTrue(bound[2]),
            run.Budget));
    }

    public static object Unique(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_unique", 0, "case_sensitive", "attribute");
        Func<object, object> attribute = bound[1] is null or NoneValue ? item => item : AttributeOf(bound[1]!, run);
        return new IteratorValue(Elements());

        IEnumerable<object> Elements()
        {
            HashSet<object> seen = new(new KeyComparer(run.Budget));
            foreach (object item in PythonType.Elements(value, run.Budget))
            {
                object key = IsTrue(bound[0]) ? attribute(item) : IgnoreCase(attribute(item), run);
                PythonComparison.RequireHashable(key, run.Budget);
                if (seen.Add(key))
                    yield return item;
            }
        }
    }

    public static object Extreme(object value, CallArguments arguments, TemplateRun run, bool isMax)
    {
        object?[] bound = arguments.Bind(isMax ? "do_max" : "do_min", 0, "case_sensitive", "attribute");
        Func<object, object> attribute = bound[1] is null or NoneValue ? item => item : AttributeOf(bound[1]!, run);
        object? best = null, bestKey = null;
        foreach (object item in PythonType.Elements(value, run.Budget))
        {
            object key = IsTrue(bound[0]) ? attribute(item) : IgnoreCase(attribute(item), run);
            if (bestKey is null || PythonComparison.IsOrdered(key, bestKey, isMax ? ">" : "<", run.Budget))
                (best, bestKey) = (item, key);
        }
        return best ?? UndefinedValue.Hint("No aggregated item, sequence was empty.");
    }

    public static object GroupBy(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_groupby", 1, "attribute", "default", "case_sensitive");
        Func<object, object> attribute = AttributeOf(bound[0]!, run, bound[1] is NoneValue ? null : bound[1]);
        Func<object, object> key = IsTrue(bound[2]) ? attribute : item => IgnoreCase(attribute(item), run);
        List<object> groups = [], group = [];
        object? groupKey = null;
        foreach (object item in PythonSorting.Sort(PythonType.ToList(value, run.Budget), key, reverse: false, run.Budget))
        {
            object itemKey = key(item);
            if (groupKey is not null && !PythonComparison.AreEqual(groupKey, itemKey, run.Budget))
            {
                Flush();
                group = [];
            }
            groupKey = itemKey;
            group.Add(item);
        }
        if (group.Count > 0)
            Flush();
        return new ListValue(groups);

        void Flush() => groups.Add(new TupleValue([attribute(group[0]), new ListValue(group)], isGroup: true));
    }

    public static object Sum(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_sum", 0, "attribute", "start");
        Func<object, object> attribute = bound[0] is null or NoneValue ? item => item : AttributeOf(bound[0]!, run);
        object sum = bound[1] ?? BigInteger.Zero;
        if (sum is TemplateText)
            throw JinjaException.Type("sum() can't sum strings [use ''.join(seq) instead]");
        foreach (object item in PythonType.Elements(value, run.Budget))
            sum = PythonOperators.Add(sum, attribute(item), run);
        return sum;
    }

    public static object Reverse(object value, CallArguments arguments, TemplateRun run)
    {
        if (value is TemplateText text)
            return PythonMembers.Slice(text, new SliceValue(NoneValue.Instance, NoneValue.Instance, (BigInteger)(-1)), run);
        if (!PythonType.IsIterable(value))
            throw new JinjaException(JinjaError.Runtime, "argument must be iterable");
        List<object> items = PythonType.ToList(value, run.Budget);
        items.Reverse();
        return value switch
        {
            ListValue => new IteratorValue(items, "list_reverseiterator"),
            TupleValue or UndefinedValue => new IteratorValue(items, "reversed"),
            RangeValue => new IteratorValue(items, "range_iterator"),
            DictValue or DictView => new IteratorValue(items, "dict_reversekeyiterator"),
            _ => new ListValue(items),
        };
    }

    public static object Batch(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_batch", 1, "linecount", "fill_with");
        return new IteratorValue(Elements());

        IEnumerable<object> Elements()
        {
            BigInteger size = PythonType.TryInteger(bound[0]!, out BigInteger given) ? given : -1;
            List<object> batch = [];
            foreach (object item in PythonType.Elements(value, run.Budget))
            {
                if (batch.Count == size)
                {
                    yield return new ListValue(batch);
                    batch = [];
                }
                batch.Add(item);
            }
            if (batch.Count == 0)
                yield break;
            if (bound[1] is { } fill and not NoneValue && batch.Count < size)
            {
                run.Budget.UseSteps((long)BigInteger.Min(size, long.MaxValue / 4));
                batch.AddRange(Enumerable.Repeat(fill, (int)size - batch.Count));
            }
            yield return new ListValue(batch);
        }
    }

    public static object Slice(object value, CallArguments arguments, TemplateRun run)
    {
        object?[] bound = arguments.Bind("do_slice", 1, "slices", "fill_with");
        return new IteratorValue(Elements());

        IEnumerable<object> Elements()
        {
            List<object> items = PythonType.ToList(value, run.Budget);
            int slices = PythonType.ToIndex(bound[0]!);
            if (slices == 0)
                throw new JinjaException(JinjaError.ZeroDivision, "integer division or modulo by zero");
            int offset = 0;
            for (int i = 0; i < slices; i++)
            {
                run.Budget.UseSteps();
                int start = offset + (i * (items.Count / slices));
                offset += i < items.Count % slices ? 1 : 0;
                List<object> slice = items[start..(offset + ((i + 1) * (items.Count / slices)))];
                if (bound[1] is { } fill and not NoneValue && i >= items.Count % slices)
                    slice.Add(fill);
                yield return new ListValue(slice);
            }
        }
    }

    // Text in lower case, everything else unchanged.
    private static object IgnoreCase(object value, TemplateRun run) => value is TemplateText text ? PythonCase.Lower(text, run.Budget) : value;

    // A path of names and numbers, "a.0.b", or one number; if a part is missing, the default is used.
    private static Func<object, object> AttributeOf(object attribute, TemplateRun run, object? missing = null)
    {
        object[] path = attribute is TemplateText text ? [.. text.Value.Split('.').Select(Step)] : [attribute];
        return item => path.Aggregate(
            item, (value, part) => PythonMembers.Element(value, part, run) is var found && found is UndefinedValue && missing is not null ? missing : found);

        static object Step(string part) => part.Length > 0 && part.All(char.IsAsciiDigit)
            ? BigInteger.Parse(part, System.Globalization.CultureInfo.InvariantCulture)
            : TemplateText.Own(part);
    }

    private static bool IsTrue(object? value) => value is not null && PythonType.IsTrue(value);

    private static string NameOf(object value, string kind) =>
        (value as TemplateText)?.Value ?? throw new JinjaException(JinjaError.Runtime, $"No {kind} named {PythonText.ReprForMessage(value)}.");
}
