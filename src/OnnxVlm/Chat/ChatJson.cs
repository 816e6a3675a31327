using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat;

/// <summary>The JSON form of values that callers put into messages and options, by the rules of Microsoft.Extensions.AI.</summary>
[JsonSerializable(typeof(int[]))]
[JsonSerializable(typeof(List<int>))]
[JsonSerializable(typeof(Dictionary<int, double>))]
[JsonSerializable(typeof(Dictionary<int, float>))]
[JsonSerializable(typeof(Dictionary<string, double>))]
internal sealed partial class ChatJson : JsonSerializerContext
{
    // Lazy: Default, in the generated part, may be initialized after it.
    private static readonly Lazy<JsonSerializerOptions> Known = new(CreateOptions);

    /// <summary>Writes a value.</summary>
    /// <param name="value">Any value; under NativeAOT, one of the types above or of those that <see cref="AIJsonUtilities.DefaultOptions"/> knows.</param>
    /// <exception cref="NotSupportedException">The value's type has no JSON form; under NativeAOT also where it is not known.</exception>
    public static JsonElement ToElement(object? value) => value switch
    {
        JsonElement element => element,
        IDictionary<string, object?> values => JsonSerializer.SerializeToElement(values, Known.Value.GetTypeInfo(typeof(IDictionary<string, object?>))),
        _ => JsonSerializer.SerializeToElement(value, Known.Value.GetTypeInfo(value?.GetType() ?? typeof(object))),
    };

    private static JsonSerializerOptions CreateOptions()
    {
        JsonSerializerOptions options = new(AIJsonUtilities.DefaultOptions);
        options.TypeInfoResolverChain.Add(Default);
        options.MakeReadOnly();
        return options;
    }
}
