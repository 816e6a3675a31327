using System.Text.Json;
using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>Enums of <c>onnxvlm.json</c> are snake_case strings; numbers are refused.</summary>
internal sealed class SnakeCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;
