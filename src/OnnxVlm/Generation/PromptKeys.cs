using OnnxVlm.Prompting;

namespace OnnxVlm.Generation;

/// <summary>
/// One key for each token of a prompt, so that two prompts share a beginning exactly where their keys do: a text token's key is its id, a token of
/// an image also carries the hash of the image's patches.
/// </summary>
internal sealed class PromptKeys
{
    private readonly IReadOnlyList<PromptSegment> _segments;

    public PromptKeys(IReadOnlyList<PromptSegment> segments)
    {
        _segments = segments;
        Keys = [.. segments.SelectMany(KeysOf)];
    }

    /// <summary>uint64 [tokens].</summary>
    public ulong[] Keys { get; }

    public static IEnumerable<ulong> KeysOf(PromptSegment segment)
    {
        ulong image = segment.Image?.ContentHash ?? 0;
        foreach (int id in segment.TokenIds.ToArray())
            yield return (uint)id ^ image;
    }

    /// <summary>
    /// How many tokens of a sequence this prompt can continue from: the shared beginning, without a part of an image, and shorter than the whole
    /// prompt, whose last token produces the first logits.
    /// </summary>
    /// <param name="cached">Keys of the tokens in the sequence.</param>
    public int SharedWith(ReadOnlySpan<ulong> cached)
    {
        int shared = Math.Min(cached.CommonPrefixLength(Keys), Keys.Length - 1);
        int start = 0;
        foreach (PromptSegment segment in _segments)
        {
            if (segment.Image is not null && shared > start && shared < start + segment.TokenIds.Length)
                return start;
            start += segment.TokenIds.Length;
        }
        return shared;
    }
}
