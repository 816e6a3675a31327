using System.Text.Json.Serialization;
using OnnxVlm.Evaluation.Cases;
using OnnxVlm.Evaluation.Programs;

namespace OnnxVlm.Evaluation;

/// <summary>The source-generated JSON of cases and of the tasks in them.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(EvaluationCase))]
[JsonSerializable(typeof(ProgramTask))]
internal sealed partial class EvaluationJson : JsonSerializerContext;
