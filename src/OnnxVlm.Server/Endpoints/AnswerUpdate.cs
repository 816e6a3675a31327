using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>A piece of one of the answers.</summary>
/// <param name="Choice">Number of the answer, from 0.</param>
/// <param name="Update">The piece; one without contents where only the prompt was read further.</param>
/// <param name="Progress">How far the prompt is read; null in a piece of the answer.</param>
internal readonly record struct AnswerUpdate(int Choice, ChatResponseUpdate Update, PrefillProgress? Progress = null)
{
    /// <summary>The same as it stands in an event.</summary>
    public PromptProgress? PromptProgress => Progress is { } read ? new(read.TokenCount, read.CachedTokens, read.TokensRead, (long)read.Elapsed.TotalMilliseconds) : null;
}
