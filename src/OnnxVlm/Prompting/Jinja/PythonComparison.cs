using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's ==, &lt;, in and hash. A comparison walks through values, and each pair is a step of the budget.</summary>
internal static class PythonComparison
{
    public static bool AreEqual(object left, object right, TemplateBudget budget)
    {
        budget.UseSteps();
        TemplateBudget.EnsureStack();
        if (PythonType.IsNumber(left) && PythonType.IsNumber(right))
            return CompareNumbers(left, right) == 0;
        return ReferenceEquals(left, right) || (left, right) switch
        {
            (TemplateText a, TemplateText b) => AreTextsEqual(a, b, budget),
            (ListValue a, ListValue b) => AreElementsEqual(a.Items, b.Items, budget),
            (TupleValue a, TupleValue b) => AreElementsEqual(a.Items, b.Items, budget),
            (DictValue a, DictValue b) => AreEntriesEqual(a, b, budget),
            (RangeValue a, RangeValue b) => a.Count == b.Count && (a.Count.IsZero || (a.Start == b.Start && (a.Count.IsOne || a.Step == b.Step))),
            (UndefinedValue, UndefinedValue) => true,
            _ => false,
        };
    }

    /// <summary>Whether the comparison holds.</summary>
    /// <param name="left">The left operand.</param>
    /// <param name="right">The right operand.</param>
    /// <param name="symbol">The operator: &lt;, &lt;=, &gt; or &gt;=.</param>
    /// <param name="budget">The budget of the rendering.</param>
    /// <exception cref="JinjaException">The two have no order.</exception>
    public static bool IsOrdered(object left, object right, string symbol, TemplateBudget budget)
    {
        budget.UseSteps();
        TemplateBudget.EnsureStack();
        if (left is UndefinedValue or UndefinedValue || right is UndefinedValue)
            throw ((left as UndefinedValue) ?? (UndefinedValue)right).Fail();
        if (PythonType.IsNumber(left) && PythonType.IsNumber(right))
            return CompareNumbers(left, right) is { } order && Satisfies(order, symbol);
        switch (left, right)
        {
            case (TemplateText a, TemplateText b):
                budget.UseSteps(Math.Min(a.Value.Length, b.Value.Length) / 16);
                return Satisfies(CompareCodePoints(a.Value, b.Value), symbol);
            case (ListValue, ListValue) or (TupleValue, TupleValue):
                IReadOnlyList<object> first = ((SequenceValue)left).Items, second = ((SequenceValue)right).Items;
                for (int i = 0; i < Math.Min(first.Count, second.Count); i++)
                {
                    if (!AreEqual(first[i], second[i], budget))
                        return IsOrdered(first[i], second[i], symbol, budget);
                }
                return Satisfies(first.Count.CompareTo(second.Count), symbol);
            default:
                throw JinjaException.Type($"'{symbol}' not supported between instances of '{PythonType.NameOf(left)}' and '{PythonType.NameOf(right)}'");
        }
    }

    /// <summary>The operator <c>in</c>.</summary>
    /// <exception cref="JinjaException">The value is not a container, or cannot contain the item.</exception>
    public static bool Contains(object container, object item, TemplateBudget budget)
    {
        switch (container)
        {
            case TemplateText text:
                if (item is not TemplateText part)
                    throw JinjaException.Type($"'in <string>' requires string as left operand, not {PythonType.NameOf(item)}");
                budget.UseSteps(text.Value.Length / 16);
                return text.Value.Contains(part.Value, StringComparison.Ordinal);
            case DictValue dict:
                RequireHashable(item, budget);
                return dict.TryGet(item, out _);
            case RangeValue range when PythonType.TryInteger(item, out BigInteger integer):
                BigInteger offset = integer - range.Start;
                return !range.Count.IsZero && BigInteger.Remainder(offset, range.Step).IsZero
                    && offset / range.Step is var index && index.Sign >= 0 && index < range.Count;
            default:
                if (!PythonType.IsIterable(container))
                    throw JinjaException.Type($"argument of type '{PythonType.NameOf(container)}' is not iterable");
                foreach (object element in PythonType.Elements(container, budget))
                {
                    if (ReferenceEquals(element, item) || AreEqual(element, item, budget))
                        return true;
                }
                return false;
        }
    }

    /// <exception cref="JinjaException">The value, or one inside it, is mutable in Python and therefore has no hash.</exception>
    public static void RequireHashable(object value, TemplateBudget budget)
    {
        budget.UseSteps();
        TemplateBudget.EnsureStack();
        if (value is ListValue or DictValue or SliceValue || value is DictView { Part: not DictPart.Values })
            throw JinjaException.Type($"unhashable type: '{PythonType.NameOf(value)}'");
        foreach (object item in value is TupleValue tuple ? tuple.Items : [])
            RequireHashable(item, budget);
    }

    /// <summary>Compares two numbers exactly; null where one is not a number (NaN).</summary>
    public static int? CompareNumbers(object left, object right)
    {
        bool isLeftInteger = PythonType.TryInteger(left, out BigInteger a), isRightInteger = PythonType.TryInteger(right, out BigInteger b);
        if (isLeftInteger && isRightInteger)
            return a.CompareTo(b);
        if (!isLeftInteger && !isRightInteger)
            return double.IsNaN((double)left) || double.IsNaN((double)right) ? null : ((double)left).CompareTo((double)right);
        return isLeftInteger ? -CompareToInteger((double)right, a) : CompareToInteger((double)left, b);
    }

    /// <summary>Compares by code points, as Python does; UTF-16 units have a different order.</summary>
    public static int CompareCodePoints(string left, string right)
    {
        int common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
            return left.Length.CompareTo(right.Length);
        char a = left[common], b = right[common];
        return char.IsSurrogate(a) != char.IsSurrogate(b) ? (char.IsSurrogate(a) ? 1 : -1) : a.CompareTo(b);
    }

    private static int? CompareToInteger(double number, BigInteger integer)
    {
        if (double.IsNaN(number))
            return null;
        if (double.IsInfinity(number))
            return Math.Sign(number);
        int order = new BigInteger(Math.Floor(number)).CompareTo(integer);
        return order == 0 && number != Math.Floor(number) ? 1 : order;
    }

    private static bool Satisfies(int order, string symbol) => symbol switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };

    private static bool AreTextsEqual(TemplateText left, TemplateText right, TemplateBudget budget)
    {
        if (left.Value.Length != right.Value.Length)
            return false;
        budget.UseSteps(left.Value.Length / 16);
        return left.Equals(right);
    }

    private static bool AreElementsEqual(IReadOnlyList<object> left, IReadOnlyList<object> right, TemplateBudget budget)
    {
        if (left.Count != right.Count)
            return false;
        for (int i = 0; i < left.Count; i++)
        {
            if (!ReferenceEquals(left[i], right[i]) && !AreEqual(left[i], right[i], budget))
                return false;
        }
        return true;
    }

    private static bool AreEntriesEqual(DictValue left, DictValue right, TemplateBudget budget)
    {
        if (left.Count != right.Count)
            return false;
        for (int i = 0; i < left.Count; i++)
        {
            (object key, object value) = left.At(i);
            if (!right.TryGet(key, out object other) || (!ReferenceEquals(value, other) && !AreEqual(value, other, budget)))
                return false;
        }
        return true;
    }
}

/// <summary>Compares the keys of dicts and sets.</summary>
/// <param name="budget">Each comparison is a step of it, so that keys chosen to share one hash are bounded.</param>
internal sealed class KeyComparer(TemplateBudget budget) : IEqualityComparer<object>
{
    public TemplateBudget Budget { get; } = budget;

    /// <summary>For dicts with text keys: nobody can choose colliding texts, since .NET randomizes their hashes.</summary>
    public static readonly KeyComparer OfTexts = new(new TemplateBudget(new TemplateLimits { MaxSteps = long.MaxValue }));

    public new bool Equals(object? x, object? y) =>
        ReferenceEquals(x, y) || (x is TemplateText first ? y is TemplateText second && first.Equals(second) : PythonComparison.AreEqual(x!, y!, Budget));

    // Equal numbers have one hash, whatever their type; a tuple is hashed by its length.
    public int GetHashCode(object obj) => obj switch
    {
        TemplateText text => HashOf(text),
        bool b => new BigInteger(b ? 1 : 0).GetHashCode(),
        BigInteger i => i.GetHashCode(),
        double d => double.IsFinite(d) && d == Math.Floor(d) ? new BigInteger(d).GetHashCode() : d.GetHashCode(),
        TupleValue tuple => tuple.Items.Count,
        NoneValue => 1,
        UndefinedValue => 2,
        RangeValue range => range.Count.GetHashCode(),
        _ => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(obj),
    };

    private int HashOf(TemplateText text)
    {
        Budget.UseSteps(text.Value.Length / 16);
        return text.GetHashCode();
    }
}
