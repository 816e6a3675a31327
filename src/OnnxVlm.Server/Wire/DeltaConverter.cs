using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wire;

/// <summary>
/// Writes a delta: the first one with the role and with a content that is empty, or null if a function call may follow; later ones only with what is new.
/// </summary>
internal sealed class DeltaConverter : JsonConverter<Delta>
{
    public override Delta Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException("Deltas are written only.");

    public override void Write(Utf8JsonWriter writer, Delta value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        if (value.IsFirst)
        {
            writer.WriteString("role", "assistant");
            writer.WriteString("content", value.Content);
            writer.WriteNull("refusal");
        }
        else if (value.Content is not null)
            writer.WriteString("content", value.Content);
        if (value.ReasoningContent is not null)
            writer.WriteString("reasoning_content", value.ReasoningContent);
        if (value.ToolCalls is not null)
        {
            writer.WritePropertyName("tool_calls");
            JsonSerializer.Serialize(writer, value.ToolCalls, WireJson.Relaxed.IReadOnlyListResponseToolCall);
        }
        writer.WriteEndObject();
    }
}
