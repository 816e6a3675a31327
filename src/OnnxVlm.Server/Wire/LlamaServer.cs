namespace OnnxVlm.Server.Wire;

/// <summary>The number of tokens in the prompt of a request.</summary>
internal sealed record InputTokens([property: System.Text.Json.Serialization.JsonPropertyName("input_tokens")] int Count)
{
    public string Object { get; } = "response.input_tokens";
}

/// <summary>Answer of POST /apply-template.</summary>
/// <param name="Prompt">The prompt, special tokens spelled out; an image as the template writes it.</param>
internal sealed record AppliedTemplate(string Prompt);

/// <summary>Answer of GET /props.</summary>
/// <param name="DefaultGenerationSettings">Values for fields that a request does not set.</param>
/// <param name="TotalSlots">Answers at the same time.</param>
/// <param name="ModelAlias">The model's name.</param>
/// <param name="ModelPath">The name again: the location of its files is not revealed.</param>
/// <param name="Modalities">The model's inputs besides text.</param>
/// <param name="ChatTemplate">Its chat template; empty for none.</param>
internal sealed record ModelProperties(
    GenerationSettings DefaultGenerationSettings, int TotalSlots, string ModelAlias, string ModelPath, Modalities Modalities, string ChatTemplate)
{
    public string BuildInfo { get; } = $"onnxvlm {ServiceVersion.Text}";
}

/// <summary>Values for fields that a request does not set.</summary>
/// <param name="NCtx">Tokens of the context.</param>
/// <param name="Params">How it is sampled.</param>
internal sealed record GenerationSettings(int NCtx, SettingParameters Params);

/// <summary>How a model is sampled.</summary>
internal sealed record SettingParameters(double Temperature, int TopK, double TopP, double MinP, double RepeatPenalty, int NPredict);

/// <summary>The model's inputs besides text.</summary>
internal sealed record Modalities(bool Vision, bool Audio);

/// <summary>A place for an answer.</summary>
internal sealed record Slot(int Id, int NCtx, bool IsProcessing);
