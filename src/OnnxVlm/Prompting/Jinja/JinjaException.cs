namespace OnnxVlm.Prompting.Jinja;

/// <summary>What went wrong in a template: Python's and Jinja's kinds of errors, as far as templates can tell them apart.</summary>
internal enum JinjaError
{
    Syntax,
    Runtime,
    Undefined,
    Security,
    Type,
    Value,
    Lookup,
    Overflow,
    ZeroDivision,

    /// <summary>The template itself refuses, by raise_exception.</summary>
    Raised,

    /// <summary>The rendering used up what it may use.</summary>
    Budget,
}

/// <summary>A template cannot be read or rendered. The message is the one that Jinja or Python would give.</summary>
/// <param name="kind">What went wrong.</param>
/// <param name="message">The message.</param>
internal sealed class JinjaException(JinjaError kind, string message) : Exception(message)
{
    public JinjaError Kind { get; } = kind;

    public static JinjaException Type(string message) => new(JinjaError.Type, message);

    public static JinjaException Value(string message) => new(JinjaError.Value, message);
}
