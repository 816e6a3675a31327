using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Server.Uploads;

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
[JsonSerializable(typeof(ErrorBody))]
[JsonSerializable(typeof(Usage))]
[JsonSerializable(typeof(IReadOnlyList<ResponseToolCall>))]
[JsonSerializable(typeof(Dictionary<string, JsonElement>))]
[JsonSerializable(typeof(InputTokens))]
[JsonSerializable(typeof(AppliedTemplate))]
[JsonSerializable(typeof(ModelProperties))]
[JsonSerializable(typeof(Slot[]))]
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
