using System.Text.Json.Nodes;

namespace OnnxVlm.Tests.Fakes;

/// <summary>Schemas of function parameters, and arguments that they accept: nested objects, arrays, enums, names and texts of many scripts, no parameters.</summary>
internal static class RandomFunction
{
    private static readonly string[] Names = ["city", "days", "größe", "имя", "日付", "القيمة", "नाम", "a_1", "B", "色"];

    private static readonly string[] Texts =
    [
        "Oslo", "", "да", "中文 文字", "👍🏽 é", "\"quoted\" 'too'", "back\\slash", "{\"name\": \"x\"}", "<tool_call>\n{\"name\": \"x\", \"arguments\": {}}\n</tool_call>", "call:now{}", "a, b: [c]",
        "tab\tand\nline", "</parameter>", "<parameter=x>", "<|\"|>", "<|tool_call>call:f{}<tool_call|>", " leading", "trailing ", "true", "12", "null",
    ];

    /// <summary>Parameters and arguments.</summary>
    /// <param name="random">Where they come from.</param>
    public static (JsonObject Schema, JsonObject Arguments) Create(Random random)
    {
        if (random.Next(8) == 0)
            return (new JsonObject { ["type"] = "object", ["properties"] = new JsonObject() }, []);
        return Object(random, 0);
    }

    private static (JsonObject Schema, JsonObject Value) Object(Random random, int depth)
    {
        JsonObject properties = [], value = [];
        JsonArray required = [];
        foreach (string name in Names.OrderBy(_ => random.Next()).Take(1 + random.Next(4)))
        {
            (JsonObject schema, JsonNode? member) = Any(random, depth + 1);
            properties[name] = schema;
            bool isRequired = random.Next(2) == 0;
            if (isRequired)
                required.Add(name);
            if (isRequired || random.Next(2) == 0)
                value[name] = member;
        }
        return (new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required }, value);
    }

    private static (JsonObject Schema, JsonNode? Value) Any(Random random, int depth)
    {
        switch (random.Next(depth < 3 ? 9 : 7))
        {
            case 0:
                return (new JsonObject { ["type"] = "integer", ["minimum"] = -1000, ["maximum"] = 1000 }, random.Next(-1000, 1001));
            case 1:
                return (new JsonObject { ["type"] = "number" }, JsonNode.Parse(new[] { "0", "-1.5", "1e-07", "2.25", "100" }[random.Next(5)]));
            case 2:
                return (new JsonObject { ["type"] = "boolean" }, random.Next(2) == 0);
            case 3:
                JsonArray values = new("rot", "grün", "синий", "👍");
                return (new JsonObject { ["type"] = "string", ["enum"] = values }, values[random.Next(4)]!.DeepClone());
            case 4:
                return (new JsonObject { ["type"] = "string", ["pattern"] = "^[a-zа-я]{2,4}-[0-9]{1,3}$" }, new[] { "ab-1", "да-22", "xyz-333" }[random.Next(3)]);
            case 5:
                return (new JsonObject { ["enum"] = new JsonArray(1, 2.5, true, null) }, new JsonArray(1, 2.5, true, null)[random.Next(4)]?.DeepClone());
            case 6:
                return (new JsonObject { ["type"] = "string" }, Texts[random.Next(Texts.Length)]);
            case 7:
                (JsonObject item, _) = Any(random, 3);
                JsonArray list = [];
                Random same = new(random.Next());
                int count = random.Next(4);
                for (int i = 0; i < count; i++)
                    list.Add(ValueOf(item, same));
                return (new JsonObject { ["type"] = "array", ["items"] = item }, list);
            default:
                return Object(random, depth);
        }
    }

    private static JsonNode? ValueOf(JsonObject schema, Random random) => schema switch
    {
        _ when schema["enum"] is JsonArray values => values[random.Next(values.Count)]?.DeepClone(),
        _ when schema["pattern"] is not null => "ab-1",
        _ => (string?)schema["type"] switch
        {
            "integer" => random.Next(-1000, 1001),
            "number" => JsonNode.Parse("2.5"),
            "boolean" => true,
            _ => Texts[random.Next(Texts.Length)],
        },
    };
}
