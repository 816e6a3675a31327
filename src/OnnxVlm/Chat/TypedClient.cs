using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Schemas;

namespace OnnxVlm.Chat;

/// <summary>
/// An adapter between Microsoft.Extensions.AI's structured output and the client: it replaces the exporter's schema by the narrow schema of the type.
/// </summary>
/// <param name="client">The client.</param>
/// <param name="type">The type of the result.</param>
/// <param name="serializerOptions">The options for reading the type.</param>
internal sealed class TypedClient(IChatClient client, Type type, JsonSerializerOptions serializerOptions) : DelegatingChatClient(client)
{
    public override Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (options?.ResponseFormat is ChatResponseFormatJson { Schema: { } schema } format)
        {
            options = options.Clone();
            options.ResponseFormat = ChatResponseFormat.ForJsonSchema(Narrow(schema), format.SchemaName, format.SchemaDescription);
        }
        return base.GetResponseAsync(messages, options, cancellationToken);
    }

    // A value that is not an object is wrapped in one, under this name.
    private JsonElement Narrow(JsonElement schema)
    {
        JsonElement narrow = TypeSchema.Create(type, serializerOptions);
        bool isWrapped = !(narrow.ValueKind == JsonValueKind.Object
            && narrow.TryGetProperty("type", out JsonElement kind) && kind.ValueKind == JsonValueKind.String && kind.GetString() == "object")
            && schema.TryGetProperty("properties", out JsonElement properties) && properties.TryGetProperty("data", out _);
        if (!isWrapped)
            return narrow;
        JsonObject wrapped = new()
        {
            ["type"] = "object",
            ["properties"] = new JsonObject { ["data"] = JsonNode.Parse(narrow.GetRawText()) },
            ["required"] = new JsonArray("data"),
            ["additionalProperties"] = false,
        };
        return JsonElement.Parse(wrapped.ToJsonString().Replace("\"$ref\":\"#", "\"$ref\":\"#/properties/data", StringComparison.Ordinal));
    }
}
