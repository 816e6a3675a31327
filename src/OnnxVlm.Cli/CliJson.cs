using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Generation;

namespace OnnxVlm.Cli;

/// <summary>How the command line writes JSON: readable text as it is, keys in snake case.</summary>
internal static class CliJson
{
    public static JsonSerializerOptions Compact { get; } = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>As <see cref="Compact"/>, but null is written.</summary>
    public static JsonSerializerOptions Whole { get; } = new(Compact) { DefaultIgnoreCondition = JsonIgnoreCondition.Never };

    public static JsonSerializerOptions Indented { get; } = new(Compact) { WriteIndented = true };

    public static string? NameOf(FinishReason? reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        _ => null,
    };
}
