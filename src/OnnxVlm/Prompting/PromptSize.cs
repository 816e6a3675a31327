using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>Refuses prompts whose size alone shows that they cannot fit, before anything is tokenized or decoded.</summary>
internal static class PromptSize
{
    /// <summary>Checks the length of a prompt's text: no token has more characters than the longest one.</summary>
    /// <param name="contents">All contents of the prompt.</param>
    /// <param name="contextLength">The tokens that the model's context holds.</param>
    /// <param name="longestToken">The most characters of a token; null where there is no limit.</param>
    /// <exception cref="PromptTooLongException">The text has more characters than the context can hold.</exception>
    public static void CheckText(IEnumerable<AIContent> contents, int contextLength, int? longestToken)
    {
        long fewest = contents.Sum(content => content is TextContent text ? (long)text.Text.Length : 0) / (longestToken ?? int.MaxValue);
        if (fewest >= contextLength)
            throw new PromptTooLongException(
                $"The prompt has at least {fewest} tokens, and the model's context has room for {contextLength} with the answer. Shorten the text.");
    }

    /// <summary>Checks the number of tokens of a prompt whose images were only measured.</summary>
    /// <param name="tokens">All tokens.</param>
    /// <param name="imageTokens">Those of the images.</param>
    /// <param name="contextLength">The tokens that the model's context holds.</param>
    /// <exception cref="PromptTooLongException">They leave no room for an answer.</exception>
    public static void CheckTokens(int tokens, int imageTokens, int contextLength)
    {
        if (tokens >= contextLength)
        {
            throw new PromptTooLongException(
                $"The prompt has {tokens} tokens ({imageTokens} of them for images), and the model's context has room for {contextLength} with the answer. "
                + "Shorten the text, or use fewer or smaller images.");
        }
    }
}
