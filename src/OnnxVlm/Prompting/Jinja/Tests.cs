using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Jinja's tests by name: what follows <c>is</c>.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Filter> All = new(StringComparer.Ordinal)
    {
        ["odd"] = (value, _, run) => IsEqual(PythonOperators.Modulo(value, (BigInteger)2, run), BigInteger.One, run),
        ["even"] = (value, _, run) => IsEqual(PythonOperators.Modulo(value, (BigInteger)2, run), BigInteger.Zero, run),
        ["divisibleby"] = (value, arguments, run) => IsEqual(
            PythonOperators.Modulo(value, arguments.Bind("test_divisibleby", 1, "num")[0]!, run), BigInteger.Zero, run),
        ["defined"] = (value, _, _) => value is not UndefinedValue,
        ["undefined"] = (value, _, _) => value is UndefinedValue,
        ["filter"] = (value, _, _) => value is TemplateText name && Filters.Has(name.Value),
        ["test"] = (value, _, _) => value is TemplateText name && Has(name.Value),
        ["none"] = (value, _, _) => value is NoneValue,
        ["boolean"] = (value, _, _) => value is bool,
        ["false"] = (value, _, _) => value is false,
        ["true"] = (value, _, _) => value is true,
        ["integer"] = (value, _, _) => value is BigInteger,
        ["float"] = (value, _, _) => value is double,
        ["lower"] = (value, _, run) => StringMethods.HasOneCase(PythonText.Str(value, run.Budget), PythonCase.IsLower),
        ["upper"] = (value, _, run) => StringMethods.HasOneCase(PythonText.Str(value, run.Budget), PythonCase.IsUpper),
        ["string"] = (value, _, _) => value is TemplateText,
        ["mapping"] = (value, _, _) => value is DictValue,
        ["number"] = (value, _, _) => PythonType.IsNumber(value),
        ["sequence"] = (value, _, _) => value is TemplateText or SequenceValue or DictValue or RangeValue or UndefinedValue,
        ["iterable"] = (value, _, _) => PythonType.IsIterable(value),
        ["callable"] = (value, _, _) => value is (CallableValue and not CyclerValue) or LoopValue or UndefinedValue,
        ["sameas"] = (value, arguments, _) => IsSame(value, arguments.Bind("test_sameas", 1, "other")[0]!),
        ["escaped"] = (value, _, _) => value is TemplateText { IsMarkup: true },
        ["in"] = (value, arguments, run) => PythonComparison.Contains(arguments.Bind("test_in", 1, "seq")[0]!, value, run.Budget),
        ["=="] = Equal(true),
        ["eq"] = Equal(true),
        ["equalto"] = Equal(true),
        ["!="] = Equal(false),
        ["ne"] = Equal(false),
        [">"] = Ordered(">"),
        ["gt"] = Ordered(">"),
        ["greaterthan"] = Ordered(">"),
        [">="] = Ordered(">="),
        ["ge"] = Ordered(">="),
        ["<"] = Ordered("<"),
        ["lt"] = Ordered("<"),
        ["lessthan"] = Ordered("<"),
        ["<="] = Ordered("<="),
        ["le"] = Ordered("<="),
    };

    public static bool Has(string name) => All.ContainsKey(name);

    /// <exception cref="JinjaException">There is no such test, or it does not accept these values.</exception>
    public static object Apply(string name, object value, CallArguments arguments, TemplateRun run)
    {
        run.Budget.UseSteps();
        return All.TryGetValue(name, out Filter? test)
            ? test(value, arguments, run)
            : throw new JinjaException(JinjaError.Runtime, $"No test named {PythonText.Quote(name)}.");
    }

    private static Filter Equal(bool expected) => (value, arguments, run) => IsEqual(value, arguments.Bind("eq", 1, "other")[0]!, run) == expected;

    private static Filter Ordered(string symbol) =>
        (value, arguments, run) => PythonComparison.IsOrdered(value, arguments.Bind("compare", 1, "other")[0]!, symbol, run.Budget);

    private static bool IsEqual(object left, object right, TemplateRun run) => PythonComparison.AreEqual(left, right, run.Budget);

    // Python's "is": small integers and equal literals are the same object there.
    private static bool IsSame(object left, object right) => (left, right) switch
    {
        (bool a, bool b) => a == b,
        (BigInteger a, BigInteger b) => a == b,
        (TemplateText a, TemplateText b) => a.Equals(b),
        _ => ReferenceEquals(left, right),
    };
}
