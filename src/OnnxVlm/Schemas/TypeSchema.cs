using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Schemas;

/// <summary>
/// The JSON schema of a .NET type, narrow enough that System.Text.Json reads every value of it. The exporter's own schema is wider: a byte is just an
/// <c>integer</c>, a byte array just a <c>string</c>, and the keys of a dictionary are not described.
/// </summary>
internal static class TypeSchema
{
    private const double LargestDecimal = 999_999_999_999_999;

    private static readonly AIJsonSchemaCreateOptions Narrowing = new() { TransformSchemaNode = Narrow };

    private static readonly Dictionary<Type, (double Least, double Most)> Numbers = new()
    {
        [typeof(sbyte)] = (sbyte.MinValue, sbyte.MaxValue),
        [typeof(byte)] = (byte.MinValue, byte.MaxValue),
        [typeof(short)] = (short.MinValue, short.MaxValue),
        [typeof(ushort)] = (ushort.MinValue, ushort.MaxValue),
        [typeof(int)] = (int.MinValue, int.MaxValue),
        [typeof(uint)] = (uint.MinValue, uint.MaxValue),
        // Limited by the precision of a grammar's bounds.
        [typeof(long)] = (-9e18, 9e18),
        [typeof(ulong)] = (0, 9e18),
        [typeof(Int128)] = (-9e18, 9e18),
        [typeof(UInt128)] = (0, 9e18),
        [typeof(Half)] = (-65504, 65504),
        [typeof(decimal)] = (-LargestDecimal, LargestDecimal),
    };

    /// <summary>Describes a type.</summary>
    /// <param name="type">The type.</param>
    /// <param name="options">The options for reading its values.</param>
    /// <exception cref="ArgumentException">The type, or one in it, has no JSON form; the message names it.</exception>
    public static JsonElement Create(Type type, JsonSerializerOptions options) =>
        AIJsonUtilities.CreateJsonSchema(type, serializerOptions: options, inferenceOptions: Narrowing);

    private static JsonNode Narrow(AIJsonSchemaCreateContext context, JsonNode node)
    {
        Type type = Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type;
        if (node is not JsonObject schema)
            return node;
        if (GuidedSchema.IsBoolean(schema["not"], true) || (context.TypeInfo.Kind == JsonTypeInfoKind.Object && IsOpaque(type)))
            throw new ArgumentException($"The type {type} has no JSON form that a model could write; use another type, for example a text.", nameof(node));
        if (schema.ContainsKey("$ref"))
            return node;
        Type number = type.IsEnum ? Enum.GetUnderlyingType(type) : type;
        if (Numbers.TryGetValue(number, out (double Least, double Most) range)
            && (GuidedSchema.HasType(schema, "integer") || GuidedSchema.HasType(schema, "number")))
        {
            schema.TryAdd("minimum", range.Least);
            schema.TryAdd("maximum", range.Most);
        }
        else if (type == typeof(byte[]) || type == typeof(Memory<byte>) || type == typeof(ReadOnlyMemory<byte>))
            schema["contentEncoding"] = "base64";
        else if (type.IsEnum && GuidedSchema.HasType(schema, "string") && !schema.ContainsKey("enum"))
            schema["pattern"] = OneOrMore(NamesOf(type, context.TypeInfo));
        if (context.TypeInfo.Kind == JsonTypeInfoKind.Dictionary && context.TypeInfo.KeyType is { } key && RuleOf(key, context.TypeInfo.Options) is { } rule)
            schema["propertyNames"] = rule;
        return node;
    }

    // The base library's own types that the exporter describes by their properties are read in another way, or not at all.
    private static bool IsOpaque(Type type) => type.Namespace is { } name && (name == "System" || name.StartsWith("System.", StringComparison.Ordinal))
        && !(type.IsGenericType && type.FullName!.AsSpan().StartsWith("System.Collections.Generic.KeyValuePair"))
        && !type.FullName!.StartsWith("System.ValueTuple", StringComparison.Ordinal)
        && !type.FullName.StartsWith("System.Tuple", StringComparison.Ordinal);

    private static IEnumerable<string> NamesOf(Type type, JsonTypeInfo info)
    {
        foreach (string name in Enum.GetNames(type))
        {
            JsonElement written = info.Type == type ? JsonSerializer.SerializeToElement(Enum.Parse(type, name), info) : default;
            yield return written.ValueKind == JsonValueKind.String ? written.GetString()! : name;
        }
    }

    private static string OneOrMore(IEnumerable<string> names)
    {
        string one = $"(?:{string.Join('|', names.Select(System.Text.RegularExpressions.Regex.Escape))})";
        return $"^{one}(?:, {one}){{0,7}}$";
    }

    private static JsonObject? RuleOf(Type key, JsonSerializerOptions options)
    {
        if (key.IsEnum)
            return new JsonObject { ["enum"] = new JsonArray([.. NamesOf(key, options.GetTypeInfo(key)).Select(name => (JsonNode)JsonValue.Create(name))]) };
        if (key == typeof(bool))
            return new JsonObject { ["enum"] = new JsonArray("True", "False") };
        return PatternOf(key) is { } pattern ? new JsonObject { ["pattern"] = pattern } : null;
    }

    private static string? PatternOf(Type key)
    {
        if (key == typeof(byte))
            return "^(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$";
        if (key == typeof(sbyte))
            return "^(?:0|-?[1-9][0-9]?)$";
        if (key == typeof(short) || key == typeof(Half))
            return "^(?:0|-?[1-9][0-9]{0,3})$";
        if (key == typeof(ushort))
            return "^(?:0|[1-9][0-9]{0,3})$";
        if (key == typeof(int) || key == typeof(float))
            return "^(?:0|-?[1-9][0-9]{0,8})$";
        if (key == typeof(uint))
            return "^(?:0|[1-9][0-9]{0,8})$";
        if (key == typeof(long) || key == typeof(Int128))
            return "^(?:0|-?[1-9][0-9]{0,17})$";
        if (key == typeof(ulong) || key == typeof(UInt128))
            return "^(?:0|[1-9][0-9]{0,17})$";
        if (key == typeof(double) || key == typeof(decimal))
            return @"^(?:0|-?[1-9][0-9]{0,9})(?:\.[0-9]{1,9})?$";
        if (key == typeof(char))
            return StringFormats.BasicCharacter;
        if (key == typeof(TimeSpan))
            return StringFormats.NarrowerThan(@"^-?(\d+\.)?\d{2}:\d{2}:\d{2}(\.\d{1,7})?$");
        if (key == typeof(Version))
            return StringFormats.NarrowerThan(@"^\d+(\.\d+){1,3}$");
        string? format = key == typeof(DateTime) || key == typeof(DateTimeOffset)
            ? "date-time"
            : key == typeof(DateOnly) ? "date" : key == typeof(TimeOnly) ? "time"
            : key == typeof(Guid) ? "uuid" : key == typeof(Uri) ? "uri" : null;
        return format is null ? null : StringFormats.PatternOf(format);
    }
}
