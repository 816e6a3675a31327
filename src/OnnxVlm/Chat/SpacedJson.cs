using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Chat;

/// <summary>JSON on one line with a space after each comma and colon, as Python writes it and as models have learned it.</summary>
internal static class SpacedJson
{
    /// <summary>Writes a value; numbers keep their digits.</summary>
    /// <param name="value">The value.</param>
    public static string Write(JsonElement value)
    {
        StringBuilder text = new();
        Append(text, value);
        return text.ToString();
    }

    /// <summary>Writes a text with its quotes, and escapes only what must be escaped: .NET's encoders also escape emoji, which models do not.</summary>
    /// <param name="text">The text.</param>
    public static string Quote(string text)
    {
        StringBuilder quoted = new("\"");
        foreach (char c in text)
            AppendEscaped(quoted, c);
        return quoted.Append('"').ToString();
    }

    /// <summary>Writes one character of a text.</summary>
    /// <param name="quoted">The text so far.</param>
    /// <param name="c">The character.</param>
    public static void AppendEscaped(StringBuilder quoted, char c) => _ = c switch
    {
        '"' or '\\' => quoted.Append('\\').Append(c),
        '\n' => quoted.Append("\\n"),
        '\r' => quoted.Append("\\r"),
        '\t' => quoted.Append("\\t"),
        < ' ' => quoted.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
        _ => quoted.Append(c),
    };

    /// <summary>The options of a grammar that spaces JSON as this class does.</summary>
    public static JsonObject Spacing() => new() { ["whitespace_flexible"] = false, ["item_separator"] = ", ", ["key_separator"] = ": " };

    private static void Append(StringBuilder text, JsonElement value)
    {
        string separator = "";
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (JsonProperty property in value.EnumerateObject())
                {
                    text.Append(separator).Append(Quote(property.Name)).Append(": ");
                    Append(text, property.Value);
                    separator = ", ";
                }
                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (JsonElement element in value.EnumerateArray())
                {
                    text.Append(separator);
                    Append(text, element);
                    separator = ", ";
                }
                text.Append(']');
                break;
            case JsonValueKind.String:
                text.Append(Quote(value.GetString()!));
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }
}
