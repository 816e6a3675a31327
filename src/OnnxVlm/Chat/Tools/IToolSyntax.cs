using OnnxVlm.Generation;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// How a model writes function calls: the grammar that makes a call follow its function's schema, and the reader that parses it. Thread-safe.
/// </summary>
internal interface IToolSyntax
{
    /// <summary>The grammar of an answer that may call functions: text, or calls, or text and then calls.</summary>
    /// <param name="tools">The functions and how they may be called.</param>
    /// <param name="answer">The JSON schema that an answer other than a call follows; null for any text.</param>
    /// <exception cref="ArgumentException">A function's schema cannot be followed; the message names the function and the path.</exception>
    Guidance CreateGrammar(ToolSet tools, Guidance? answer);

    /// <summary>Starts reading an answer.</summary>
    /// <param name="tools">The functions that it may call.</param>
    IToolCallReader CreateReader(ToolSet tools);
}
