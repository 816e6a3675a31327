using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using OnnxVlm.Evaluation.Benchmarking;
using OnnxVlm.Export.Inspection;
using OnnxVlm.Generation;

namespace OnnxVlm.Cli;

/// <summary>The JSON of the command line: text without unnecessary escapes, keys in snake case, null left out.</summary>
[JsonSerializable(typeof(BenchmarkResult))]
[JsonSerializable(typeof(ContextResult))]
[JsonSerializable(typeof(ParallelReport))]
[JsonSerializable(typeof(IReadOnlyList<GraphValue>))]
[JsonSerializable(typeof(IReadOnlyList<WeightGroup>))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, int>))]
internal sealed partial class CliJson : JsonSerializerContext
{
    /// <summary>On one line.</summary>
    public static CliJson Compact { get; } = new(CreateOptions(isIndented: false));

    /// <summary>On several lines, for people.</summary>
    public static CliJson Indented { get; } = new(CreateOptions(isIndented: true));

    /// <summary>An object of these values; null is left out.</summary>
    public static JsonNode Object(params IEnumerable<(string Key, JsonNode? Value)> entries) =>
        new JsonObject(entries.Where(entry => entry.Value is not null).Select(entry => KeyValuePair.Create(entry.Key, entry.Value)));

    /// <summary>An array of these values.</summary>
    public static JsonArray Array(IEnumerable<JsonNode?> values) => new([.. values]);

    /// <summary>A value on several lines, as <c>--json</c> prints it.</summary>
    public static string Write(JsonNode value) => value.ToJsonString(Indented.Options);

    /// <summary>A text with its quotes and escapes.</summary>
    public static string Quote(string text) => JsonValue.Create(text).ToJsonString(Compact.Options);

    public static string? NameOf(FinishReason? reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        _ => null,
    };

    private static JsonSerializerOptions CreateOptions(bool isIndented) => new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        WriteIndented = isIndented,
    };
}
