using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wire;

/// <summary>Tokens of a request; of several answers the prompt counts once.</summary>
internal sealed record Usage(long PromptTokens, long CompletionTokens, long TotalTokens, PromptTokensDetails PromptTokensDetails);

/// <summary>Tokens of the prompt that were in the cache already, and those that belong to images; where there are any, the transparent images that were seen without their transparency, and the images that were shrunk by more than 3 a side.</summary>
internal sealed record PromptTokensDetails(
    long CachedTokens,
    long ImageTokens,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long TransparentImages = 0,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long ShrunkImages = 0);
