namespace OnnxVlm.Prompting.Jinja;

/// <summary>Kinds of errors in a template: those of Python and Jinja, as far as templates can distinguish them.</summary>
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

    /// <summary>The template itself refuses, with raise_exception.</summary>
    Raised,

    /// <summary>The rendering exceeded its budget.</summary>
    Budget,
}

/// <summary>A template cannot be read or rendered. The message is the one of Jinja or Python.</summary>
/// <param name="kind">The kind of error.</param>
/// <param name="message">The message.</param>
internal sealed class JinjaException(JinjaError kind, string message) : Exception(message)
{
    public JinjaError Kind { get; } = kind;

    public static JinjaException Type(string message) => new(JinjaError.Type, message);

    public static JinjaException Value(string message) => new(JinjaError.Value, message);
}
