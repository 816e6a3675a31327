using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Log probabilities in OpenAI's form. A token that is part of a character only has its bytes, and U+FFFD for text.</summary>
internal static class LogprobWriter
{
    /// <summary>Whether log probabilities were asked for: then each update of a token has one.</summary>
    /// <param name="updates">Updates of an answer.</param>
    public static bool HasAny(IEnumerable<ChatResponseUpdate> updates) => updates.Any(update => TokensOf(update).Length > 0);

    /// <summary>Those of an update; none where it has no token.</summary>
    /// <param name="update">The update.</param>
    public static IEnumerable<ChatTokenLogprob> Of(ChatResponseUpdate update) =>
        TokensOf(update).Select(token => ToWire(token.Token) with { TopLogprobs = [.. token.Top.Select(ToWire)] });

    /// <summary>The tokens of an update as the chat client gives them.</summary>
    /// <param name="update">The update.</param>
    public static TokenLogprobs[] TokensOf(ChatResponseUpdate update) =>
        update.AdditionalProperties?.TryGetValue(ChatProperties.Logprobs, out TokenLogprobs[]? tokens) == true ? tokens : [];

    private static ChatTokenLogprob ToWire(TokenLogprob token) => new(Encoding.UTF8.GetString(token.Bytes.Span), token.Logprob, [.. token.Bytes.ToArray().Select(b => (int)b)]);
}
