using OnnxVlm.Schemas;

namespace OnnxVlm.Chat;

/// <summary>
/// Checks what a stranger wants an answer to follow, before it is compiled: how long it is, how many states its expressions unroll to, and that it joins or negates none. A JSON schema is checked when it
/// is read. Safe to use from several threads.
/// </summary>
public static class UntrustedGrammar
{
    /// <summary>Checks a regular expression: <see cref="ChatProperties.Regex"/>.</summary>
    /// <param name="expression">The expression.</param>
    /// <exception cref="ArgumentException">It may take too much, or looks around; the message says what to do.</exception>
    public static void CheckRegex(string expression)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(expression);
        GrammarBudget.CheckRegex(expression);
    }

    /// <summary>Checks a grammar: <see cref="ChatProperties.LarkGrammar"/>.</summary>
    /// <param name="grammar">The grammar in Lark's syntax.</param>
    /// <exception cref="ArgumentException">It may take too much; the message says what to do.</exception>
    public static void CheckLark(string grammar)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(grammar);
        GrammarBudget.CheckLark(grammar);
    }
}
