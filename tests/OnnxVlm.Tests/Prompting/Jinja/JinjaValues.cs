using System.Globalization;
using System.Numerics;
using System.Text.Json;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Tests.Prompting.Jinja;

/// <summary>Variables for templates from JSON: every text is from outside.</summary>
internal static class JinjaValues
{
    public static Dictionary<string, object> Read(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject().ToDictionary(property => property.Name, property => From(property.Value), StringComparer.Ordinal);
    }

    public static string Render(string template, string variables = "{}") => JinjaTemplate.Parse(template).Render(Read(variables), DateTimeOffset.UnixEpoch).Value;

    private static object From(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return NoneValue.Instance;
            case JsonValueKind.True or JsonValueKind.False:
                return value.GetBoolean();
            case JsonValueKind.String:
                return new TemplateText(value.GetString()!, fromTemplate: false);
            case JsonValueKind.Number:
                string number = value.GetRawText();
                return number.AsSpan().IndexOfAny(".eE") < 0 ? BigInteger.Parse(number, CultureInfo.InvariantCulture) : double.Parse(number, CultureInfo.InvariantCulture);
            case JsonValueKind.Array:
                return new ListValue([.. value.EnumerateArray().Select(From)]);
            default:
                DictValue dict = new();
                foreach (JsonProperty property in value.EnumerateObject())
                    dict.Set(new TemplateText(property.Name, fromTemplate: false), From(property.Value));
                return dict;
        }
    }
}
