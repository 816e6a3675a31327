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
internal sealed record ModelCard(string Id, long Created, [property: JsonPropertyName("loaded")] bool IsLoaded, int MaxModelLen)
{
    public string Object { get; } = "model";

    public string OwnedBy { get; } = "onnxvlm";
}
