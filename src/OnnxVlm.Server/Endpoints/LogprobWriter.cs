using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Log probabilities in OpenAI's two forms. A token that is only part of a character appears as U+FFFD; its bytes identify it.</summary>
internal static class LogprobWriter
{
    /// <summary>The log probabilities of an update, for a chat; none if they were not requested.</summary>
    /// <param name="update">The update.</param>
    public static IEnumerable<ChatTokenLogprob> ToChat(ChatResponseUpdate update) =>
        TokensOf(update).Select(token => ToChat(token.Token) with { TopLogprobs = [.. token.Top.Select(ToChat)] });

    /// <summary>The log probabilities of several updates, for a plain completion; null if they were not requested.</summary>
    /// <param name="updates">The updates.</param>
    /// <param name="offset">Position of the first token in the text, in characters; afterwards the position of the next one.</param>
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
        // Two tokens can appear as the same text; the more probable one comes first and stays.
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
