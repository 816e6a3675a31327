using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// Splits an answer, while it is generated, into text and function calls. Text that may begin a call is held back. A complete call is returned as a
/// whole, and before that its certain parts as deltas; a call that the end of the answer truncates has only deltas. Used by one thread at a time.
/// </summary>
internal interface IToolCallReader
{
    /// <summary>Reads the next update.</summary>
    /// <param name="text">The generated text; may be empty.</param>
    /// <param name="tokenId">The token, which comes after the text if it is a special one; null for none.</param>
    /// <param name="isLast">Whether the answer ends with it.</param>
    /// <param name="deltas">Receives the new parts of calls, in order.</param>
    /// <returns>What is certain now, in order.</returns>
    /// <exception cref="VlmException">A call is not what the grammar allows.</exception>
    List<AIContent> Read(string text, int? tokenId, bool isLast, List<ToolCallDelta> deltas);
}
