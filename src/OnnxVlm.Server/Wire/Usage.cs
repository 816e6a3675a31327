using System.Text.Json.Serialization;

namespace OnnxVlm.Server.Wire;

/// <summary>Tokens of a request; the prompt of several answers counts once.</summary>
internal sealed record Usage(long PromptTokens, long CompletionTokens, long TotalTokens, PromptTokensDetails PromptTokensDetails);

/// <summary>
/// Tokens of the prompt that were already in the cache, and tokens that belong to images. If there are any, also the number of transparent images
/// that were seen without their transparency, and of images that were shrunk by a factor of more than 3 per side.
/// </summary>
internal sealed record PromptTokensDetails(
    long CachedTokens,
    long ImageTokens,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long TransparentImages = 0,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] long ShrunkImages = 0);
