using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace OnnxVlm.Server.Reading;

/// <summary>Finds the fields of a request that its form does not have, at every depth. A field that is null counts as absent.</summary>
internal static class UnknownFields
{
    private static readonly ConcurrentDictionary<JsonTypeInfo, Dictionary<string, JsonTypeInfo>> FieldsOf = [];

    /// <summary>Finds them.</summary>
    /// <param name="path">Where the value stands in the request; empty for the whole body.</param>
    /// <param name="value">The value.</param>
    /// <param name="form">Its form. If that is <see cref="JsonElement"/>, everything is allowed, and the reader of the element checks it.</param>
    /// <returns>Their paths, in the order of the request.</returns>
    public static IEnumerable<string> Find(string path, JsonElement value, JsonTypeInfo form) => (form.Kind, value.ValueKind) switch
    {
        (JsonTypeInfoKind.Object, JsonValueKind.Object) => value.EnumerateObject().SelectMany(field => InField(path, field, form)),
        (JsonTypeInfoKind.Enumerable, JsonValueKind.Array) when FormOf(form, form.ElementType) is { Kind: not JsonTypeInfoKind.None } element =>
            value.EnumerateArray().SelectMany((item, i) => Find($"{path}[{i}]", item, element)),
        (JsonTypeInfoKind.Dictionary, JsonValueKind.Object) when FormOf(form, form.ElementType) is { Kind: not JsonTypeInfoKind.None } element =>
            value.EnumerateObject().SelectMany(entry => Find(Join(path, entry.Name), entry.Value, element)),
        _ => [],
    };

    private static IEnumerable<string> InField(string path, JsonProperty field, JsonTypeInfo form)
    {
        if (field.Value.ValueKind == JsonValueKind.Null)
            return [];
        return FieldsOf.GetOrAdd(form, Describe).TryGetValue(field.Name, out JsonTypeInfo? known)
            ? Find(Join(path, field.Name), field.Value, known)
            : [Join(path, field.Name)];
    }

    private static Dictionary<string, JsonTypeInfo> Describe(JsonTypeInfo form) =>
        form.Properties.ToDictionary(property => property.Name, property => FormOf(form, property.PropertyType)!, StringComparer.Ordinal);

    private static JsonTypeInfo? FormOf(JsonTypeInfo form, Type? type) =>
        type is null ? null : form.Options.GetTypeInfo(Nullable.GetUnderlyingType(type) ?? type);

    private static string Join(string path, string name)
    {
        string shown = name.Length > 60 ? name[..60] + "…" : name;
        return path.Length == 0 ? shown : $"{path}.{shown}";
    }
}
