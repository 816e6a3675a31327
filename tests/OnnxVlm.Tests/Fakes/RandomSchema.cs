using System.Text.Json.Nodes;

namespace OnnxVlm.Tests.Fakes;

/// <summary>JSON schemas of nested objects, arrays, enums, numbers and texts, with optional keys.</summary>
internal static class RandomSchema
{
    public static JsonObject Object(Random random, int depth = 0)
    {
        JsonObject properties = [];
        JsonArray required = [];
        for (int i = random.Next(5); i >= 0; i--)
        {
            properties[$"field_{i}"] = Any(random, depth);
            if (random.Next(2) == 0)
                required.Add($"field_{i}");
        }
        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required, ["additionalProperties"] = false };
    }

    private static JsonObject Any(Random random, int depth) => random.Next(depth < 3 ? 8 : 6) switch
    {
        0 => new JsonObject { ["type"] = "string", ["maxLength"] = 1 + random.Next(12) },
        1 => new JsonObject { ["type"] = "integer", ["minimum"] = -random.Next(100), ["maximum"] = random.Next(1000) },
        2 => new JsonObject { ["type"] = "number" },
        3 => new JsonObject { ["type"] = "boolean" },
        4 => new JsonObject { ["enum"] = new JsonArray("red", "green", random.Next(10), null) },
        5 => new JsonObject { ["type"] = "string", ["pattern"] = "^[a-z]{2}-[0-9]{1,3}$" },
        6 => Array(random, depth),
        _ => Object(random, depth + 1),
    };

    private static JsonObject Array(Random random, int depth)
    {
        int most = 1 + random.Next(3);
        return new JsonObject { ["type"] = "array", ["items"] = Any(random, depth + 1), ["minItems"] = random.Next(most + 1), ["maxItems"] = most };
    }
}
