using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wire;

/// <summary>Answer of GET /v1/models.</summary>
internal sealed record ModelList(IReadOnlyList<ModelCard> Data)
{
    public string Object { get; } = "list";
}

/// <summary>A registered model.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Created">When its folder was written, Unix seconds.</param>
/// <param name="IsLoaded">Whether it is in memory now.</param>
/// <param name="MaxModelLen">Tokens of its context.</param>
/// <param name="Sampling">Values for fields that a request does not set.</param>
internal sealed record ModelCard(string Id, long Created, [property: JsonPropertyName("loaded")] bool IsLoaded, int MaxModelLen, ModelSampling Sampling)
{
    public string Object { get; } = "model";

    public string OwnedBy { get; } = "onnxvlm";
}

/// <summary>How a model is sampled.</summary>
/// <param name="Temperature">0 takes the most probable token.</param>
/// <param name="TopK">Tokens to sample from; 0 for all.</param>
/// <param name="TopP">Sum of the probabilities to sample from.</param>
/// <param name="MinP">Least share of the best token's probability.</param>
/// <param name="RepetitionPenalty">1 is off.</param>
internal sealed record ModelSampling(double Temperature, int TopK, double TopP, double MinP, double RepetitionPenalty);
