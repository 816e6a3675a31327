namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// The names that one block of a template uses itself, in the order in which its parser met them. Jinja decides before a template runs which block a
/// name belongs to. A name that a block first assigns, outside of any <c>if</c>, belongs to the block from its start. Until the assignment it is
/// undefined, even if the caller passed a variable of that name.
/// </summary>
/// <param name="parent">The enclosing block.</param>
internal sealed class BlockNames(BlockNames? parent)
{
    private readonly HashSet<string> _seen = new(StringComparer.Ordinal), _assignedFirst = new(StringComparer.Ordinal);

    /// <summary>How many <c>if</c> are open in the block.</summary>
    public int Conditions { get; set; }

    public BlockNames? Parent { get; } = parent;

    public void Read(string name) => _seen.Add(name);

    public void Assign(string name)
    {
        if (_seen.Add(name) && Conditions == 0)
            _assignedFirst.Add(name);
    }

    /// <summary>Declares a parameter or the target of a loop.</summary>
    public void Declare(string name) => _seen.Add(name);

    /// <summary>Whether a name without a value is undefined here, whatever the enclosing blocks have.</summary>
    public bool IsOwn(string name)
    {
        if (!_assignedFirst.Contains(name))
            return false;
        for (BlockNames? outer = Parent; outer is not null; outer = outer.Parent)
        {
            if (outer._seen.Contains(name))
                return false;
        }
        return true;
    }
}

/// <summary>The variables of a block while it runs.</summary>
/// <param name="parent">The enclosing variables; null for the template itself.</param>
/// <param name="names">The block's names.</param>
internal sealed class Scope(Scope? parent, BlockNames names)
{
    private Dictionary<string, object>? _variables;

    public void Set(string name, object value) => (_variables ??= new Dictionary<string, object>(StringComparer.Ordinal))[name] = value;

    /// <summary>The value of a variable; null where no block has it.</summary>
    public object? Find(string name)
    {
        for (Scope? scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope._variables is not null && scope._variables.TryGetValue(name, out object? value))
                return value;
            if (scope.Names.IsOwn(name))
                return UndefinedValue.Name(name);
        }
        return null;
    }

    private Scope? Parent { get; } = parent;

    private BlockNames Names { get; } = names;
}
