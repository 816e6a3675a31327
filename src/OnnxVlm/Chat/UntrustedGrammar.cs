using OnnxVlm.Schemas;

namespace OnnxVlm.Chat;

/// <summary>
/// Checks a stranger's grammar before it is compiled: its length, the number of states that its expressions unroll to, and that it joins or negates
/// none. A JSON schema is checked when it is read. Thread-safe.
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
