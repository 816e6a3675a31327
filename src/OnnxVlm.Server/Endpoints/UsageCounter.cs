using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>Adds up the tokens of a request: each prompt counts once, and all answers count.</summary>
/// <param name="answersPerPrompt">Number of answers that share a prompt.</param>
internal sealed class UsageCounter(int answersPerPrompt)
{
    private long _prompt;
    private long _cached;
    private long _image;
    private long _transparent;
    private long _shrunk;
    private long _completion;

    /// <summary>The value of the usage in every chunk except the last.</summary>
    public static JsonElement NoUsage { get; } = JsonElement.Parse("null");

    /// <summary>Tokens of all answers.</summary>
    public long Completion => _completion;

    /// <summary>Tokens of all prompts.</summary>
    public long Prompt => _prompt;

    /// <summary>Tokens of the prompts that were in the cache.</summary>
    public long Cached => _cached;

    /// <summary>Tokens of the answers that are reasoning.</summary>
    public long Reasoning { get; private set; }

    /// <summary>Why the answers ended, separated by commas.</summary>
    public string FinishReasons { get; private set; } = "";

    /// <summary>Records the numbers of an update that ends an answer.</summary>
    /// <param name="update">The update.</param>
    public void Add(AnswerUpdate update)
    {
        if (update.IsReasoningToken)
            Reasoning++;
        if (update.Update.FinishReason is { } reason)
            FinishReasons += FinishReasons.Length == 0 ? reason.Value : $",{reason.Value}";
        foreach (UsageDetails usage in update.Update.Contents.OfType<UsageContent>().Select(content => content.Details))
        {
            _completion += usage.OutputTokenCount ?? 0;
            if (update.Choice % answersPerPrompt != 0)
                continue;
            _prompt += usage.InputTokenCount ?? 0;
            _cached += usage.CachedInputTokenCount ?? 0;
            _image += usage.AdditionalCounts?.GetValueOrDefault(ChatProperties.ImageTokens) ?? 0;
            _transparent += usage.AdditionalCounts?.GetValueOrDefault(ChatProperties.TransparentImages) ?? 0;
            _shrunk += usage.AdditionalCounts?.GetValueOrDefault(ChatProperties.ShrunkImages) ?? 0;
        }
    }

    public Usage ToUsage() => new(_prompt, _completion, _prompt + _completion, new PromptTokensDetails(_cached, _image, _transparent, _shrunk));

    public JsonElement ToJson() => JsonSerializer.SerializeToElement(ToUsage(), WireJson.Relaxed.Usage);
}
