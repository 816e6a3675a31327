using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Log probabilities in OpenAI's two forms. A token that is part of a character only shows as U+FFFD; its bytes tell what it is.</summary>
internal static class LogprobWriter
{
    /// <summary>Those of an update, for a chat; none where they were not asked for.</summary>
    /// <param name="update">The update.</param>
    public static IEnumerable<ChatTokenLogprob> ToChat(ChatResponseUpdate update) =>
        TokensOf(update).Select(token => ToChat(token.Token) with { TopLogprobs = [.. token.Top.Select(ToChat)] });

    /// <summary>Those of several updates, for a plain completion; null where they were not asked for.</summary>
    /// <param name="updates">The updates.</param>
    /// <param name="offset">Where the first token begins in the text, in characters; afterwards, where the next one will.</param>
    public static TextLogprobs? ToText(IEnumerable<ChatResponseUpdate> updates, ref int offset)
    {
        TokenLogprobs[] tokens = [.. updates.SelectMany(TokensOf)];
        if (tokens.Length == 0)
            return null;
        string[] texts = [.. tokens.Select(token => TextOf(token.Token))];
        int[] offsets = new int[tokens.Length];
        for (int i = 0; i < tokens.Length; i++)
        {
            offsets[i] = offset;
            offset += texts[i].Length;
        }
        // Two tokens can show as the same text; the more probable one comes first and stays.
        return new TextLogprobs(
            texts,
            [.. tokens.Select(token => token.Token.Logprob)],
            [.. tokens.Select(token => token.Top.DistinctBy(TextOf).ToDictionary(TextOf, top => top.Logprob))],
            offsets);
    }

    private static TokenLogprobs[] TokensOf(ChatResponseUpdate update) =>
        update.AdditionalProperties?.TryGetValue(ChatProperties.Logprobs, out TokenLogprobs[]? tokens) == true ? tokens : [];

    private static ChatTokenLogprob ToChat(TokenLogprob token) => new(TextOf(token), token.Logprob, [.. token.Bytes.ToArray().Select(b => (int)b)]);

    private static string TextOf(TokenLogprob token) => Encoding.UTF8.GetString(token.Bytes.Span);
}
