namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// The budget of one rendering. A template is a program from a stranger: it may loop forever, recurse forever or build a text of any size. Each of
/// these ends here with an error. Not thread-safe.
/// </summary>
/// <param name="limits">The limits.</param>
internal sealed class TemplateBudget(TemplateLimits limits)
{
    /// <summary>Expressions and statements evaluated, elements produced or compared.</summary>
    public long Steps { get; private set; }

    /// <summary>Characters written into any string, the prompt included.</summary>
    public long Characters { get; private set; }

    /// <summary>Calls and recursive loops that are currently open.</summary>
    public int Depth { get; private set; }

    public void UseSteps(long count = 1)
    {
        Steps += count;
        if (Steps > limits.MaxSteps)
            throw new JinjaException(JinjaError.Budget, $"the template took more than {limits.MaxSteps} steps");
    }

    public void UseCharacters(long count)
    {
        Characters += count;
        if (Characters > limits.MaxCharacters)
            throw TooLong();
    }

    /// <summary>Refuses a text that would be too long before it is built.</summary>
    public void RequireCharacters(long count, long length = 1)
    {
        if (length > 0 && count > (limits.MaxCharacters - Characters) / length)
            throw TooLong();
    }

    public void Enter()
    {
        if (++Depth > limits.MaxDepth)
            throw new JinjaException(JinjaError.Budget, $"the template nests calls more than {limits.MaxDepth} deep");
        EnsureStack();
    }

    public void Leave() => Depth--;

    /// <summary>Refuses to recurse deeper where the thread's stack is nearly used up; every recursion over values or nodes calls it.</summary>
    public static void EnsureStack()
    {
        if (!System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new JinjaException(JinjaError.Budget, "the template nests too deep");
    }

    private JinjaException TooLong() => new(JinjaError.Budget, $"the template built texts of more than {limits.MaxCharacters} characters");
}

/// <summary>The limits of one rendering.</summary>
internal sealed record TemplateLimits
{
    public static TemplateLimits Default { get; } = new();

    /// <summary>Steps: see <see cref="TemplateBudget.Steps"/>. A long conversation with tools takes about 100,000.</summary>
    public long MaxSteps { get; init; } = 20_000_000;

    /// <summary>Characters of all strings that are built. Templates copy each text a few times.</summary>
    public long MaxCharacters { get; init; } = 64L << 20;

    /// <summary>Nested calls. Python gives up at about 250 of them.</summary>
    public int MaxDepth { get; init; } = 200;

    /// <summary>UTF-16 units of a template's source; published ones have at most about 20,000.</summary>
    public int MaxSourceLength { get; init; } = 1 << 20;

    /// <summary>Nested brackets, blocks and operators in the source.</summary>
    public int MaxNesting { get; init; } = 100;

    /// <summary>Operators, filters or attributes in a row.</summary>
    public int MaxChain { get; init; } = 1000;

    /// <summary>Bits of an integer.</summary>
    public int MaxIntegerBits { get; init; } = 14_000;
}
