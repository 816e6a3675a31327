using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Reading;

/// <summary>
/// Converts the body of /v1/completions for <see cref="VlmChatClient"/>: each prompt is a conversation of one message that is read without the chat template.
/// </summary>
/// <param name="guidance">Reads the constraints of an answer.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class CompletionRequestReader(GuidanceReader guidance, ServerOptions limits)
{
    /// <summary>Reads a request.</summary>
    /// <param name="request">The body.</param>
    /// <exception cref="ApiException">Something cannot be honoured.</exception>
    public AnswerRequest Read(CompletionRequest request)
    {
        string model = ChatRequestReader.RequiredModel(request.Model);
        SamplingReader.CheckStream(request);
        ChatOptions options = SamplingReader.Read(request, ("max_tokens", request.MaxTokens), limits);
        guidance.Read(request, options, new SchemaBudget(limits));
        options.AdditionalProperties![ChatProperties.PlainPrompt] = true;
        string[] prompts = ReadPrompts(request.Prompt);
        int count = (int?)SamplingReader.Within("n", request.N, 1, limits.MaxChoices) ?? 1;
        if (prompts.Length * count > limits.MaxChoices)
            throw ApiException.Invalid("prompt", $"at most {limits.MaxChoices} answers in a request, found {prompts.Length} prompts with {count} each.");
        if (request.BestOf is { } best && best != count)
            throw ApiException.Invalid("best_of", "answers are not ranked here; leave it out.");
        if (SamplingReader.Within("logprobs", request.Logprobs, 0, 20) is { } logprobs)
        {
            if (request.Echo == true)
                throw ApiException.Invalid("logprobs", "not together with echo; leave one of the two out.");
            options.AdditionalProperties[ChatProperties.TopLogprobs] = (int)logprobs;
        }
        return new AnswerRequest(model, [.. prompts.Select(prompt => new[] { new ChatMessage(ChatRole.User, prompt) })], options)
        {
            Count = count,
            IncludeUsage = request.StreamOptions?.IncludeUsage == true,
            ReturnProgress = request.ReturnProgress == true,
            ReportsTimings = request.TimingsPerToken == true,
            UsesCache = request.CachePrompt != false,
        };
    }

    private static string[] ReadPrompts(JsonElement prompt)
    {
        JsonElement[] elements = prompt.ValueKind == JsonValueKind.Array ? [.. prompt.EnumerateArray()] : [prompt];
        if (elements.Length == 0 || Array.Exists(elements, element => element.ValueKind != JsonValueKind.String || element.GetString()!.Length == 0))
            throw ApiException.Invalid("prompt", "expected a text or an array of texts, none of them empty; token ids are not taken.");
        return [.. elements.Select(element => element.GetString()!)];
    }
}
