using System.Text.Json.Serialization;
using OnnxVlm.Generation;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// The sampling that the model's authors recommend, from the checkpoint's <c>generation_config.json</c>: <c>sampling</c> of <c>onnxvlm.json</c>. It
/// applies where a request does not set a value. Immutable.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record SamplingDefaults
{
    /// <summary>As <see cref="GenerationOptions.Temperature"/>; null for 0.</summary>
    public double? Temperature { get; init; }

    /// <summary>As <see cref="GenerationOptions.TopK"/>; null for 0.</summary>
    public int? TopK { get; init; }

    /// <summary>As <see cref="GenerationOptions.TopP"/>; null for 1.</summary>
    public double? TopP { get; init; }

    /// <summary>As <see cref="GenerationOptions.MinP"/>; null for 0.</summary>
    public double? MinP { get; init; }

    /// <summary>As <see cref="GenerationOptions.RepetitionPenalty"/>; null for 1.</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One is out of range.</exception>
    internal void Validate()
    {
        try
        {
            _ = new GenerationOptions { Temperature = Temperature, TopK = TopK, TopP = TopP, MinP = MinP, RepetitionPenalty = RepetitionPenalty };
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new ArgumentException($"sampling: {e.Message.Split(" (Parameter")[0]}; export the model again", e);
        }
    }
}
