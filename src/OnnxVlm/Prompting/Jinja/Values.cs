using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

// A value of a template is one of: NoneValue, bool, BigInteger, double, TemplateText, ListValue, TupleValue, DictValue, DictView, RangeValue,
// SliceValue, IteratorValue, UndefinedValue, NamespaceValue, LoopValue, CallableValue. None of them is null. Only iterators, namespaces, loops and
// the results of cycler() and joiner() are mutable.

/// <summary>Python's None.</summary>
internal sealed class NoneValue
{
    public static readonly NoneValue Instance = new();

    private NoneValue()
    {
    }
}

/// <summary>A list or a tuple.</summary>
/// <param name="items">The elements; not copied.</param>
internal abstract class SequenceValue(IReadOnlyList<object> items)
{
    public IReadOnlyList<object> Items { get; } = items;

    /// <summary>A sequence of the same type with other elements.</summary>
    public abstract SequenceValue With(IReadOnlyList<object> items);
}

/// <summary>Python's list. Templates cannot modify it.</summary>
internal sealed class ListValue(IReadOnlyList<object> items) : SequenceValue(items)
{
    public override SequenceValue With(IReadOnlyList<object> items) => new ListValue(items);
}

/// <summary>Python's tuple; a tuple of the filter <c>groupby</c> has names for its two elements.</summary>
internal sealed class TupleValue(IReadOnlyList<object> items, bool isGroup = false) : SequenceValue(items)
{
    /// <summary>Whether the elements are also called grouper and list.</summary>
    public bool IsGroup { get; } = isGroup;

    public override SequenceValue With(IReadOnlyList<object> items) => new TupleValue(items);
}

/// <summary>Python's dict; it keeps the order of insertion.</summary>
/// <param name="keys">Compares the keys.</param>
internal sealed class DictValue(KeyComparer keys)
{
    private readonly List<KeyValuePair<object, object>> _entries = [];
    private readonly Dictionary<object, int> _indices = new(keys);

    /// <summary>A dict with text keys.</summary>
    public DictValue()
        : this(KeyComparer.OfTexts)
    {
    }

    public int Count => _entries.Count;

    public IEnumerable<object> Keys => _entries.Select(entry => entry.Key);

    public KeyValuePair<object, object> At(int index) => _entries[index];

    /// <summary>Sets an entry while the dict is being built; if keys are equal, the first key stays.</summary>
    /// <exception cref="JinjaException">The key cannot be hashed.</exception>
    public void Set(object key, object value)
    {
        PythonComparison.RequireHashable(key, keys.Budget);
        if (_indices.TryGetValue(key, out int index))
        {
            _entries[index] = KeyValuePair.Create(_entries[index].Key, value);
            return;
        }
        _indices.Add(key, _entries.Count);
        _entries.Add(KeyValuePair.Create(key, value));
    }

    public void Set(string key, object value) => Set(TemplateText.Own(key), value);

    public bool TryGet(object key, out object value)
    {
        bool found = _indices.TryGetValue(key, out int index);
        value = found ? _entries[index].Value : NoneValue.Instance;
        return found;
    }
}

/// <summary>The part of a dict that a <see cref="DictView"/> shows.</summary>
internal enum DictPart
{
    Keys,
    Values,
    Items,
}

/// <summary>The results of dict.keys(), .values() and .items().</summary>
internal sealed record DictView(DictValue Dict, DictPart Part)
{
    public IEnumerable<object> Elements()
    {
        for (int i = 0; i < Dict.Count; i++)
        {
            (object key, object value) = Dict.At(i);
            yield return Part switch { DictPart.Keys => key, DictPart.Values => value, _ => new TupleValue([key, value]) };
        }
    }
}

/// <summary>Python's range, at most 100,000 long.</summary>
internal sealed record RangeValue(BigInteger Start, BigInteger Stop, BigInteger Step)
{
    public BigInteger Count { get; } = BigInteger.Max(0, Step.Sign > 0 ? (Stop - Start + Step - 1) / Step : (Start - Stop - Step - 1) / -Step);

    public BigInteger At(BigInteger index) => Start + (index * Step);

    public IEnumerable<object> Elements()
    {
        for (BigInteger i = 0; i < Count; i++)
            yield return At(i);
    }
}

/// <summary>The three numbers in the brackets of a slice; None for one that is left out.</summary>
internal sealed record SliceValue(object Start, object Stop, object Step);

/// <summary>Elements that can be read once, as from a Python generator.</summary>
/// <param name="elements">The elements, produced on demand.</param>
/// <param name="typeName">Python's name of the type.</param>
internal sealed class IteratorValue(IEnumerable<object> elements, string typeName = "generator")
{
    private IEnumerator<object>? _enumerator;

    public string TypeName { get; } = typeName;

    public bool TryNext(out object element)
    {
        // Iterators over iterators may be nested to any depth.
        TemplateBudget.EnsureStack();
        _enumerator ??= elements.GetEnumerator();
        bool found = _enumerator.MoveNext();
        element = found ? _enumerator.Current : NoneValue.Instance;
        return found;
    }

    public IEnumerable<object> Rest()
    {
        while (TryNext(out object element))
            yield return element;
    }
}

/// <summary>A missing name or attribute. It prints as nothing and is false; most other uses are errors that name what is missing.</summary>
internal sealed class UndefinedValue
{
    private readonly string _message;
    private readonly JinjaError _kind;

    private UndefinedValue(string message, JinjaError kind)
    {
        _message = message;
        _kind = kind;
    }

    public static UndefinedValue Name(string name) => new($"{PythonText.Quote(name)} is undefined", JinjaError.Undefined);

    public static UndefinedValue Hint(string message, JinjaError kind = JinjaError.Undefined) => new(message, kind);

    /// <summary>A missing element or attribute of an object.</summary>
    public static UndefinedValue Member(object owner, object name)
    {
        string type = owner is NoneValue ? "None" : PythonType.QualifiedNameOf(owner) + " object";
        return new UndefinedValue(
            name is TemplateText text
                ? $"{PythonText.Quote(type)} has no attribute {PythonText.Quote(text.Value)}"
                : $"{type} has no element {PythonText.ReprForMessage(name)}", JinjaError.Undefined);
    }

    public JinjaException Fail() => new(_kind, _message);
}

/// <summary>The result of <c>namespace()</c>: the one kind of object whose attributes a template can set.</summary>
/// <param name="attributes">The initial attributes.</param>
internal sealed class NamespaceValue(DictValue attributes)
{
    public DictValue Attributes { get; } = attributes;
}

/// <summary>The arguments of a call.</summary>
/// <param name="Positional">In order.</param>
/// <param name="Named">By name, in order.</param>
internal sealed record CallArguments(IReadOnlyList<object> Positional, IReadOnlyList<KeyValuePair<string, object>> Named)
{
    public static readonly CallArguments None = new([], []);

    /// <summary>Gives each parameter its argument; null for a missing one.</summary>
    /// <param name="function">The function, for messages.</param>
    /// <param name="required">How many of the parameters must be given.</param>
    /// <param name="parameters">The names of the parameters.</param>
    public object?[] Bind(string function, int required, params ReadOnlySpan<string> parameters)
    {
        if (Positional.Count > parameters.Length)
            throw JinjaException.Type(
                $"{function}() takes at most {parameters.Length} argument{(parameters.Length == 1 ? "" : "s")} ({Positional.Count} given)");
        object?[] bound = new object?[parameters.Length];
        for (int i = 0; i < Positional.Count; i++)
            bound[i] = Positional[i];
        foreach ((string name, object value) in Named)
        {
            int index = parameters.IndexOf(name);
            if (index < 0)
                throw JinjaException.Type($"{function}() got an unexpected keyword argument '{name}'");
            if (bound[index] is not null)
                throw JinjaException.Type($"{function}() got multiple values for argument '{name}'");
            bound[index] = value;
        }
        for (int i = 0; i < required; i++)
        {
            if (bound[i] is null)
                throw JinjaException.Type($"{function}() missing 1 required positional argument: '{parameters[i]}'");
        }
        return bound;
    }
}

/// <summary>A value that a template can call.</summary>
internal abstract class CallableValue
{
    /// <summary>Python's name of its type.</summary>
    public virtual string TypeName => "builtin_function_or_method";

    public abstract object Call(CallArguments arguments, TemplateRun run);

    /// <summary>An attribute; null for a missing one.</summary>
    public virtual object? Attribute(string name) => null;
}

/// <summary>A function of the language or a method of a value.</summary>
/// <param name="name">Its name, for messages.</param>
/// <param name="body">Its implementation.</param>
internal sealed class FunctionValue(string name, Func<CallArguments, TemplateRun, object> body) : CallableValue
{
    public string Name { get; } = name;

    public override object Call(CallArguments arguments, TemplateRun run) => body(arguments, run);
}
