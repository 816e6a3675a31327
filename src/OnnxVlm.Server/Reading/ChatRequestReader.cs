using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Reading;

/// <summary>
/// Converts the body of /v1/chat/completions for <see cref="VlmChatClient"/>. Each field is honoured, or refused under its name before anything runs.
/// </summary>
/// <param name="messages">Reads the conversation.</param>
/// <param name="tools">Reads tools.</param>
/// <param name="guidance">Reads the constraints of an answer.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class ChatRequestReader(MessageReader messages, ToolReader tools, GuidanceReader guidance, ServerOptions limits)
{
    /// <summary>Reads a request.</summary>
    /// <param name="request">The body.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="cancellationToken">Ends the fetching of images, where that is allowed.</param>
    /// <exception cref="ApiException">Something cannot be honoured.</exception>
    public async Task<AnswerRequest> ReadAsync(ChatCompletionRequest request, string client, CancellationToken cancellationToken)
    {
        string model = RequiredModel(request.Model);
        if (request.MaxTokens is not null && request.MaxCompletionTokens is not null && request.MaxTokens != request.MaxCompletionTokens)
            throw ApiException.Invalid("max_tokens", "max_completion_tokens says another number; leave one of the two out.");
        if (request.Store == true)
            throw ApiException.Invalid("store", "nothing is stored here; leave it out.");
        if (request.Modalities?.Any(modality => modality != "text") == true)
            throw ApiException.Invalid("modalities", "answers are text only; leave it out.");
        if (request.Verbosity is not (null or "low" or "medium" or "high"))
            throw ApiException.Invalid("verbosity", "expected low, medium or high.");
        SamplingReader.CheckStream(request);
        ChatOptions options = SamplingReader.Read(
            request,
            request.MaxCompletionTokens is not null ? ("max_completion_tokens", request.MaxCompletionTokens) : ("max_tokens", request.MaxTokens),
            limits);
        int count = (int?)SamplingReader.Within("n", request.N, 1, limits.MaxChoices) ?? 1;
        AddLogprobs(options, request);
        SchemaBudget schemas = new(limits);
        options.ResponseFormat = ReadFormat(request.ResponseFormat, schemas);
        guidance.Read(request, options, schemas);
        ReadReasoning(request, options);
        ReadTemplate(request, options, limits);
        tools.Read(request, options, schemas);
        IReadOnlyList<ChatMessage> conversation = await messages.ReadAsync(request.Messages, client, cancellationToken).ConfigureAwait(false);
        return new AnswerRequest(model, [conversation], options)
        {
            Count = count,
            IncludeUsage = request.StreamOptions?.IncludeUsage == true,
            ReturnProgress = request.ReturnProgress == true,
            ReportsTimings = request.TimingsPerToken == true,
            UsesCache = request.CachePrompt != false,
        };
    }

    /// <summary>Reads the fields of a request that the chat template needs besides the messages.</summary>
    /// <param name="declared">The field <c>tools</c>.</param>
    /// <param name="reasoningEffort">The field <c>reasoning_effort</c>.</param>
    /// <exception cref="ApiException">Something cannot be honoured.</exception>
    public ChatOptions ReadTemplateOptions(IReadOnlyList<RequestTool?>? declared, string? reasoningEffort)
    {
        ChatOptions options = new() { Reasoning = ReasoningOf("reasoning_effort", reasoningEffort) };
        tools.Read(declared, options, new SchemaBudget(limits));
        return options;
    }

    /// <summary>The model's name, which every request has.</summary>
    /// <param name="model">The field.</param>
    /// <exception cref="ApiException">It is missing.</exception>
    public static string RequiredModel(string? model) => string.IsNullOrEmpty(model)
        ? throw ApiException.Invalid("model", "give the name of a model; /v1/models lists them.")
        : model;

    private static void AddLogprobs(ChatOptions options, ChatCompletionRequest request)
    {
        if (request.TopLogprobs is not null && request.Logprobs != true)
            throw ApiException.Invalid("top_logprobs", "set logprobs to true as well.");
        if (request.Logprobs == true)
            options.AdditionalProperties![ChatProperties.TopLogprobs] = (int?)SamplingReader.Within("top_logprobs", request.TopLogprobs, 0, 20) ?? 0;
    }

    private static void ReadReasoning(ChatCompletionRequest request, ChatOptions options)
    {
        options.Reasoning = ReasoningOf("reasoning_effort", request.ReasoningEffort);
        if (request.Reasoning is not { } reasoning)
            return;
        ReasoningOptions? other = ReasoningOf("reasoning.effort", reasoning.Effort)
            ?? reasoning.Enabled switch { true => ReasoningOf("reasoning", "medium"), false => ReasoningOf("reasoning", "none"), null => null };
        if (other is not null && options.Reasoning is not null && other.Effort != options.Reasoning.Effort)
            throw ApiException.Invalid("reasoning", "reasoning_effort says something else; leave one of the two out.");
        options.Reasoning ??= other;
        if (reasoning.Exclude == true)
            (options.Reasoning ??= new ReasoningOptions()).Output = ReasoningOutput.None;
    }

    private static void ReadTemplate(ChatCompletionRequest request, ChatOptions options, ServerOptions limits)
    {
        if (request.AddGenerationPrompt is { } begins && begins == (request.ContinueFinalMessage == true))
            throw ApiException.Invalid(
                "add_generation_prompt",
                begins
                    ? "not together with continue_final_message; leave it out."
                    : "set continue_final_message to true as well, or leave it out.");
        if (request.ContinueFinalMessage == true)
            options.AdditionalProperties![ChatProperties.ContinueFinalMessage] = true;
        ReadTemplateVariables(request.ChatTemplateKwargs, options, limits);
    }

    /// <summary>Reads more variables for the chat template; those about reasoning become options.</summary>
    /// <param name="field">The field <c>chat_template_kwargs</c>.</param>
    /// <param name="options">The options to set.</param>
    /// <param name="limits">The service's limits.</param>
    /// <exception cref="ApiException">It is no object, too large, or contradicts another field.</exception>
    public static void ReadTemplateVariables(JsonElement field, ChatOptions options, ServerOptions limits)
    {
        if (!SamplingReader.IsGiven(field))
            return;
        const string Param = "chat_template_kwargs";
        if (field.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid(Param, "expected an object of name to value.");
        if (field.GetRawText().Length > limits.MaxSchemaBytes)
            throw ApiException.Invalid(Param, $"at most {limits.MaxSchemaBytes} bytes; send less.");
        Dictionary<string, JsonElement> variables = field.EnumerateObject().ToDictionary(variable => variable.Name, variable => variable.Value);
        foreach (string name in new[] { "enable_thinking", "thinking" })
        {
            if (!variables.TryGetValue(name, out JsonElement value) || value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
                continue;
            ReasoningEffort effort = value.GetBoolean() ? ReasoningEffort.Medium : ReasoningEffort.None;
            if (options.Reasoning?.Effort is { } other && (other == ReasoningEffort.None) != (effort == ReasoningEffort.None))
                throw ApiException.Invalid($"{Param}.{name}", "another field about reasoning says something else; leave one of the two out.");
            (options.Reasoning ??= new ReasoningOptions()).Effort ??= effort;
            variables.Remove(name);
        }
        if (variables.Count > 0)
            options.AdditionalProperties![ChatProperties.ChatTemplateKwargs] = JsonSerializer.SerializeToElement(
                variables, WireJson.Relaxed.DictionaryStringJsonElement);
    }

    /// <summary>Whether a model is to reason. A model either reasons or does not; how much it reasons is its own decision.</summary>
    /// <param name="param">The field.</param>
    /// <param name="effort">Its value.</param>
    /// <exception cref="ApiException">The value is none of those that there are.</exception>
    public static ReasoningOptions? ReasoningOf(string param, string? effort) => effort switch
    {
        null => null,
        "none" => new ReasoningOptions { Effort = ReasoningEffort.None },
        "minimal" or "low" => new ReasoningOptions { Effort = ReasoningEffort.Low },
        "medium" => new ReasoningOptions { Effort = ReasoningEffort.Medium },
        "high" => new ReasoningOptions { Effort = ReasoningEffort.High },
        "xhigh" => new ReasoningOptions { Effort = ReasoningEffort.ExtraHigh },
        _ => throw ApiException.Invalid(param, "expected none, minimal, low, medium, high or xhigh."),
    };

    private static ChatResponseFormatJson? ReadFormat(ResponseFormat? format, SchemaBudget schemas)
    {
        switch (format?.Type)
        {
            case null when format is null:
                return null;
            case "text" or "json_object" when format.JsonSchema is not null:
                throw ApiException.Invalid("response_format.json_schema", "only with the type json_schema.");
            case "text" when SamplingReader.IsGiven(format.Schema):
                throw ApiException.Invalid("response_format.schema", "only with the type json_schema or json_object.");
            case "text":
                return null;
            case "json_object" or "json_schema" when SamplingReader.IsGiven(format.Schema):
                if (format.JsonSchema is not null)
                    throw ApiException.Invalid("response_format.schema", "json_schema has a schema too; leave one out.");
                schemas.Check("response_format.schema", format.Schema);
                return ChatResponseFormat.ForJsonSchema(format.Schema);
            case "json_object":
                return ChatResponseFormat.Json;
            case "json_schema":
                const string Param = "response_format.json_schema";
                if (format.JsonSchema is not { } described)
                    throw ApiException.Invalid(Param, "give an object with name and schema.");
                if (string.IsNullOrEmpty(described.Name))
                    throw ApiException.Invalid($"{Param}.name", "give the schema a name.");
                schemas.Check($"{Param}.schema", described.Schema);
                return ChatResponseFormat.ForJsonSchema(described.Schema, described.Name, described.Description);
            default:
                throw ApiException.Invalid("response_format.type", "expected text, json_object or json_schema.");
        }
    }
}
