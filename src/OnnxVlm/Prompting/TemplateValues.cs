using System.Globalization;
using System.Numerics;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>
/// Converts JSON to the values of templates. Text counts as outside text, except the names of roles and of kinds of parts, because
/// templates build tokens with them.
/// </summary>
internal static class TemplateValues
{
    // A template may write '<|' + role + '|>', which is one token. Only these roles count as the template's text.
    private static readonly HashSet<string> Roles = new(StringComparer.Ordinal)
    {
        "system", "developer", "user", "assistant", "tool", "function", "model", "ipython", "observation", "context", "documents", "environment",
    };

    private static readonly HashSet<string> Kinds = new(StringComparer.Ordinal) { "text", "image", "image_url", "audio", "input_audio", "video", "function" };

    /// <summary>Text from outside.</summary>
    public static TemplateText Outside(string text) => new(text, fromTemplate: false);

    /// <summary>The role of a message.</summary>
    public static TemplateText Role(string role) => new(role, Roles.Contains(role));

    /// <summary>Any value.</summary>
    public static object From(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null or JsonValueKind.Undefined:
                return NoneValue.Instance;
            case JsonValueKind.True or JsonValueKind.False:
                return value.GetBoolean();
            case JsonValueKind.String:
                return Outside(value.GetString()!);
            case JsonValueKind.Number:
                return Number(value.GetRawText());
            case JsonValueKind.Array:
                return new ListValue([.. value.EnumerateArray().Select(From)]);
            default:
                DictValue dict = new();
                foreach (JsonProperty property in value.EnumerateObject())
                    dict.Set(Outside(property.Name), From(property.Value));
                return dict;
        }
    }

    /// <summary>A message, or a part of one: its role and type count as the template's text if they are known.</summary>
    public static DictValue Structure(JsonElement value, Func<string, JsonElement, object?> replace)
    {
        DictValue dict = new();
        foreach (JsonProperty property in value.EnumerateObject())
        {
            object converted = replace(property.Name, property.Value)
                ?? (property.Value.ValueKind == JsonValueKind.String ? Text(property.Name, property.Value.GetString()!) : From(property.Value));
            dict.Set(Outside(property.Name), converted);
        }
        return dict;

        static TemplateText Text(string name, string value) => name switch
        {
            "role" => Role(value),
            "type" => new TemplateText(value, Kinds.Contains(value)),
            _ => Outside(value),
        };
    }

    // Numbers as Python reads them: integers of any size, and floats.
    private static object Number(string text) =>
        text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0 ? double.Parse(text, CultureInfo.InvariantCulture)
        : text.Length <= 4300 ? BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)
        : throw new JinjaException(JinjaError.Value, "Exceeds the limit (4300 digits) for integer string conversion");
}

/// <summary>The source-generated JSON of this folder.</summary>
[JsonSerializable(typeof(string))]
internal sealed partial class TemplateJson : JsonSerializerContext;
