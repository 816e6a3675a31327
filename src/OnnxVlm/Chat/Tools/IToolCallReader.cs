using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// Takes an answer apart, as it comes, into text and function calls. Text that may begin a call is held back. A call comes when it is whole, and before that what is
/// certain of it as deltas; one that the end of the answer cuts off has deltas only. Used by one thread at a time.
/// </summary>
internal interface IToolCallReader
{
    /// <summary>Takes the next update.</summary>
    /// <param name="text">What the model said; may be empty.</param>
    /// <param name="tokenId">The token, which comes behind the text where it is a special one; null for none.</param>
    /// <param name="isLast">Whether the answer ends with it.</param>
    /// <param name="deltas">Gets what is new of calls, in order.</param>
    /// <returns>What is certain now, in order.</returns>
    /// <exception cref="VlmException">A call is not what the grammar allows.</exception>
    List<AIContent> Read(string text, int? tokenId, bool isLast, List<ToolCallDelta> deltas);
}
