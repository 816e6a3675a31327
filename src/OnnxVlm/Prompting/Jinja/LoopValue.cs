using System.Numerics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>The variable <c>loop</c>: the position in a loop. Elements are read one by one, at most one ahead.</summary>
internal sealed class LoopValue
{
    private readonly object _iterable;
    private readonly Func<object, int, object>? _recurse;
    private readonly TemplateBudget _budget;
    private IEnumerator<object> _elements;
    private object? _next, _current, _previous;
    private BigInteger? _length;
    private IReadOnlyList<object>? _lastChanged;

    /// <summary>Creates the variable of a loop that has not begun.</summary>
    /// <param name="iterable">The elements of the loop; for a loop with a condition, an iterator of the elements that satisfy it.</param>
    /// <param name="depth0">How many recursive loops are around it.</param>
    /// <param name="recurse">Renders the loop's body over other elements; null where the loop is not recursive.</param>
    /// <param name="budget">What the rendering may use.</param>
    public LoopValue(object iterable, int depth0, Func<object, int, object>? recurse, TemplateBudget budget)
    {
        _iterable = iterable;
        _recurse = recurse;
        _budget = budget;
        Depth0 = depth0;
        _elements = PythonType.Elements(iterable, budget).GetEnumerator();
    }

    public int Depth0 { get; }

    public BigInteger Index0 { get; private set; } = -1;

    public BigInteger Index => Index0 + 1;

    /// <summary>The number of elements; an iterable without a length is read to its end.</summary>
    public BigInteger Length
    {
        get
        {
            if (_length is null)
            {
                _length = _iterable is LoopValue ? null : PythonType.TryLength(_iterable);
                if (_length is null)
                {
                    List<object> rest = [.. Rest()];
                    _elements = rest.GetEnumerator();
                    _length = rest.Count + Index;
                }
            }
            return _length.Value;
        }
    }

    public bool TryNext(out object element)
    {
        object? next = PeekNext();
        element = next ?? NoneValue.Instance;
        if (next is null)
            return false;
        (_previous, _current, _next) = (_current, next, null);
        Index0++;
        return true;
    }

    /// <summary>The remaining elements.</summary>
    public IEnumerable<object> Rest()
    {
        if (_next is not null)
        {
            yield return _next;
            _next = null;
        }
        while (_elements.MoveNext())
            yield return _elements.Current;
    }

    public object? Attribute(string name) => name switch
    {
        "index" => Index,
        "index0" => Index0,
        "first" => Index0.IsZero,
        "last" => PeekNext() is null,
        "length" => Length,
        "revindex" => Length - Index0,
        "revindex0" => Length - Index,
        "depth" => (BigInteger)(Depth0 + 1),
        "depth0" => (BigInteger)Depth0,
        "previtem" => Index0.IsZero ? UndefinedValue.Hint("there is no previous item") : _previous,
        "nextitem" => PeekNext() ?? UndefinedValue.Hint("there is no next item"),
        "cycle" => new FunctionValue(name, (arguments, _) => arguments.Positional.Count == 0
            ? throw JinjaException.Type("no items for cycling given")
            : arguments.Positional[(int)(Index0 % arguments.Positional.Count)]),
        "changed" => new FunctionValue(name, (arguments, _) => Changed(arguments.Positional)),
        _ => null,
    };

    /// <summary>Renders the loop's body over other elements.</summary>
    public object Call(CallArguments arguments) => _recurse is null
        ? throw JinjaException.Type("The loop must have the 'recursive' marker to be called recursively.")
        : _recurse(arguments.Bind("loop", 1, "iterable")[0]!, Depth0 + 1);

    private object? PeekNext() => _next ??= _elements.MoveNext() ? _elements.Current : null;

    private bool Changed(IReadOnlyList<object> values)
    {
        bool changed = _lastChanged is null || !PythonComparison.AreEqual(new TupleValue(_lastChanged), new TupleValue(values), _budget);
        if (changed)
            _lastChanged = values;
        return changed;
    }
}
