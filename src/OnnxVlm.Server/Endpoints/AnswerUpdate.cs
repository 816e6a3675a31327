using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>A piece of one of the answers.</summary>
/// <param name="Choice">Number of the answer, from 0.</param>
/// <param name="Update">The piece; it has no contents if only the prompt progressed.</param>
/// <param name="Progress">The progress of the prompt; null in a piece of the answer.</param>
internal readonly record struct AnswerUpdate(int Choice, ChatResponseUpdate Update, PrefillProgress? Progress = null)
{
    /// <summary>The stop text of the request that ended the answer; null for none.</summary>
    public string? StopSequence => (Update.RawRepresentation as GenerationUpdate)?.StopSequence;

    /// <summary>Whether it is a token of the model's reasoning.</summary>
    public bool IsReasoningToken => Update.RawRepresentation is GenerationUpdate { IsReasoning: true, TokenId: not null };

    /// <summary>What it adds to the reasoning.</summary>
    public string Reasoning => string.Concat(Update.Contents.OfType<TextReasoningContent>().Select(content => content.Text));

    /// <summary>What it adds to function calls.</summary>
    public IReadOnlyList<ToolCallDelta> Calls =>
        Update.AdditionalProperties?.TryGetValue(ChatProperties.ToolCallDeltas, out ToolCallDelta[]? deltas) == true ? deltas : [];

    /// <summary>The progress in the form of an event.</summary>
    public PromptProgress? PromptProgress =>
        Progress is { } read ? new(read.TokenCount, read.CachedTokens, read.TokensRead, (long)read.Elapsed.TotalMilliseconds) : null;
}
