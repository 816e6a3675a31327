using System.Text.Json.Serialization;
using OnnxVlm.Evaluation.Cases;
using OnnxVlm.Evaluation.Programs;

namespace OnnxVlm.Evaluation;

/// <summary>How cases and the tasks in them are read.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(EvaluationCase))]
[JsonSerializable(typeof(ProgramTask))]
internal sealed partial class EvaluationJson : JsonSerializerContext;
