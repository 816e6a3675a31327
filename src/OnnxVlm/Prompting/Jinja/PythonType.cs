using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's view of a value's type: its name, its truth value, its elements.</summary>
internal static class PythonType
{
    /// <summary>The name of the type, as in error messages.</summary>
    public static string NameOf(object value) => value switch
    {
        NoneValue => "NoneType",
        bool => "bool",
        BigInteger => "int",
        double => "float",
        TemplateText text => text.IsMarkup ? "Markup" : "str",
        ListValue => "list",
        TupleValue => "tuple",
        DictValue => "dict",
        DictView view => view.Part switch { DictPart.Keys => "dict_keys", DictPart.Values => "dict_values", _ => "dict_items" },
        RangeValue => "range",
        SliceValue => "slice",
        IteratorValue iterator => iterator.TypeName,
        UndefinedValue => "Undefined",
        NamespaceValue => "Namespace",
        LoopValue => "LoopContext",
        CallableValue callable => callable.TypeName,
        _ => throw new InvalidOperationException($"{value.GetType()} is not a value of a template."),
    };

    /// <summary>The name, with the module for Jinja's own types.</summary>
    public static string QualifiedNameOf(object value) => NameOf(value) switch
    {
        "Namespace" => "jinja2.utils.Namespace",
        "Cycler" => "jinja2.utils.Cycler",
        "Joiner" => "jinja2.utils.Joiner",
        "LoopContext" => "jinja2.runtime.LoopContext",
        "Macro" => "jinja2.runtime.Macro",
        "Markup" => "markupsafe.Markup",
        string name => name,
    };

    public static bool IsTrue(object value) => value switch
    {
        NoneValue or UndefinedValue => false,
        bool b => b,
        BigInteger i => !i.IsZero,
        double d => d != 0,
        TemplateText text => text.Value.Length > 0,
        SequenceValue sequence => sequence.Items.Count > 0,
        DictValue dict => dict.Count > 0,
        DictView view => view.Dict.Count > 0,
        RangeValue range => !range.Count.IsZero,
        _ => true,
    };

    public static bool IsNumber(object value) => value is bool or BigInteger or double;

    /// <summary>An integer; bool counts as one, as in Python.</summary>
    public static bool TryInteger(object value, out BigInteger integer)
    {
        integer = value switch { BigInteger i => i, bool b => b ? 1 : 0, _ => 0 };
        return value is BigInteger or bool;
    }

    /// <summary>An integer as an index: one that is out of range becomes the nearest int.</summary>
    /// <exception cref="JinjaException">It is not an integer.</exception>
    public static int ToIndex(object value)
    {
        if (!TryInteger(value, out BigInteger integer))
            throw value is UndefinedValue undefined ? undefined.Fail() : JinjaException.Type($"'{NameOf(value)}' object cannot be interpreted as an integer");
        return (int)BigInteger.Clamp(integer, int.MinValue, int.MaxValue);
    }

    /// <summary>len().</summary>
    /// <exception cref="JinjaException">The value has no length.</exception>
    public static BigInteger LengthOf(object value) => TryLength(value) ?? throw JinjaException.Type($"object of type '{NameOf(value)}' has no len()");

    /// <summary>len(), or null for a value without a length.</summary>
    public static BigInteger? TryLength(object value) => value switch
    {
        TemplateText text => text.CodePoints,
        SequenceValue sequence => sequence.Items.Count,
        DictValue dict => dict.Count,
        DictView view => view.Dict.Count,
        RangeValue range => range.Count,
        UndefinedValue => 0,
        LoopValue loop => loop.Length,
        _ => null,
    };

    public static bool IsIterable(object value) =>
        value is TemplateText or SequenceValue or DictValue or DictView or RangeValue or IteratorValue or UndefinedValue or LoopValue;

    /// <summary>iter(): the elements, produced on demand and counted against the budget.</summary>
    /// <exception cref="JinjaException">The value cannot be iterated; thrown immediately.</exception>
    public static IEnumerable<object> Elements(object value, TemplateBudget budget)
    {
        IEnumerable<object> elements = value switch
        {
            TemplateText text => CodePoints(text),
            SequenceValue sequence => sequence.Items,
            DictValue dict => dict.Keys,
            DictView view => view.Elements(),
            RangeValue range => range.Elements(),
            IteratorValue iterator => iterator.Rest(),
            UndefinedValue => [],
            LoopValue loop => loop.Rest(),
            _ => throw JinjaException.Type($"'{NameOf(value)}' object is not iterable"),
        };
        return Counted(elements, budget);
    }

    /// <summary>list(): all elements.</summary>
    public static List<object> ToList(object value, TemplateBudget budget) => [.. Elements(value, budget)];

    private static IEnumerable<object> Counted(IEnumerable<object> elements, TemplateBudget budget)
    {
        foreach (object element in elements)
        {
            budget.UseSteps();
            yield return element;
        }
    }

    private static IEnumerable<object> CodePoints(TemplateText text)
    {
        for (int unit = 0; unit < text.Value.Length;)
        {
            TemplateText codePoint = text.CodePointAt(unit);
            unit += codePoint.Value.Length;
            yield return codePoint;
        }
    }
}
