using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Server.Downloads;
using OnnxVlm.Server.Uploads;
using OnnxVlm.Server.Wires.Decisions;
using OnnxVlm.Server.Wires.Messages;
using OnnxVlm.Server.Wires.Ollama;
using OnnxVlm.Server.Wires.Responses;

namespace OnnxVlm.Server.Wire;

/// <summary>All JSON of the service: snake case, null written unless a field says otherwise, text as it is. A key that stands twice in a request is refused.</summary>
[JsonSerializable(typeof(ChatCompletionRequest))]
[JsonSerializable(typeof(ChatCompletion))]
[JsonSerializable(typeof(ChatCompletionChunk))]
[JsonSerializable(typeof(CompletionRequest))]
[JsonSerializable(typeof(TextCompletion))]
[JsonSerializable(typeof(TokenizeRequest))]
[JsonSerializable(typeof(TokenizeResponse))]
[JsonSerializable(typeof(DetokenizeRequest))]
[JsonSerializable(typeof(DetokenizeResponse))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(HealthStatus))]
[JsonSerializable(typeof(UploadedImage))]
[JsonSerializable(typeof(UploadLimits))]
[JsonSerializable(typeof(PlanRequest))]
[JsonSerializable(typeof(DownloadRequest))]
[JsonSerializable(typeof(DownloadPlan))]
[JsonSerializable(typeof(DownloadStatus))]
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(Usage))]
[JsonSerializable(typeof(IReadOnlyList<ResponseToolCall>))]
[JsonSerializable(typeof(Dictionary<string, JsonElement>))]
[JsonSerializable(typeof(InputTokens))]
[JsonSerializable(typeof(AppliedTemplate))]
[JsonSerializable(typeof(ModelProperties))]
[JsonSerializable(typeof(Slot[]))]
[JsonSerializable(typeof(ResponsesRequest))]
[JsonSerializable(typeof(ResponsesMessage))]
[JsonSerializable(typeof(ResponsesTextPart))]
[JsonSerializable(typeof(ResponsesImagePart))]
[JsonSerializable(typeof(ResponsesCall))]
[JsonSerializable(typeof(ResponsesCallOutput))]
[JsonSerializable(typeof(ResponsesReasoningItem))]
[JsonSerializable(typeof(ResponsesItemReference))]
[JsonSerializable(typeof(ResponsesToolChoice))]
[JsonSerializable(typeof(ResponsesBody))]
[JsonSerializable(typeof(ResponsesEvent))]
[JsonSerializable(typeof(ResponsesDeleted))]
[JsonSerializable(typeof(MessagesRequest))]
[JsonSerializable(typeof(MessagesTextBlock))]
[JsonSerializable(typeof(MessagesImageBlock))]
[JsonSerializable(typeof(MessagesCallBlock))]
[JsonSerializable(typeof(MessagesResultBlock))]
[JsonSerializable(typeof(MessagesThinkingBlock))]
[JsonSerializable(typeof(MessagesBody))]
[JsonSerializable(typeof(MessagesEvent))]
[JsonSerializable(typeof(MessagesEndEvent))]
[JsonSerializable(typeof(MessagesCount))]
[JsonSerializable(typeof(MessagesErrorBody))]
[JsonSerializable(typeof(OllamaChatRequest))]
[JsonSerializable(typeof(OllamaGenerateRequest))]
[JsonSerializable(typeof(OllamaShowRequest))]
[JsonSerializable(typeof(OllamaBody))]
[JsonSerializable(typeof(OllamaError))]
[JsonSerializable(typeof(OllamaTags))]
[JsonSerializable(typeof(OllamaShow))]
[JsonSerializable(typeof(OllamaVersion))]
[JsonSerializable(typeof(DecisionRequest))]
[JsonSerializable(typeof(Decision))]
[JsonSerializable(typeof(TextPart))]
[JsonSerializable(typeof(RefusalPart))]
[JsonSerializable(typeof(ImagePart))]
[JsonSerializable(typeof(ImageUrl))]
[JsonSerializable(typeof(NamedToolChoice))]
internal sealed partial class WireJson : JsonSerializerContext
{
    /// <summary>The context with these options; use it in place of the default one.</summary>
    public static WireJson Relaxed { get; } = new(CreateOptions());

    /// <summary>Sets the options.</summary>
    /// <param name="options">What is set.</param>
    public static void Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        options.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
        options.AllowDuplicateProperties = false;
        options.MaxDepth = 64;
    }

    private static JsonSerializerOptions CreateOptions()
    {
        JsonSerializerOptions options = new();
        Configure(options);
        return options;
    }
}
