using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>A prompt cut into pieces that the model reads one after the other. Text may be cut anywhere, an image never.</summary>
internal static class PrefillPlan
{
    /// <summary>Tokens of a piece, unless one image needs more. Large enough for the matrix products, small enough to stop soon and to keep the buffers small.</summary>
    public const int ChunkTokens = 512;

    /// <summary>Cuts a prompt for a device: into pieces, or into one where it takes tokens only once.</summary>
    /// <param name="decoder">The model on its device.</param>
    /// <param name="segments">Text and images.</param>
    /// <returns>The pieces in order.</returns>
    public static IReadOnlyList<PrefillChunk> Create(IDecoder decoder, IEnumerable<PromptSegment> segments) =>
        decoder.CanAppend ? Create(segments, ChunkTokens, decoder.MaxPatchesPerImage) : Create(segments, int.MaxValue);

    /// <summary>Cuts a prompt.</summary>
    /// <param name="segments">Text and images.</param>
    /// <param name="chunkTokens">The most tokens of a piece, unless one image needs more.</param>
    /// <param name="maxPatches">The most patches of a piece, unless one image has more: then every sequence that takes an image takes every prompt.</param>
    /// <returns>The pieces in order.</returns>
    public static IReadOnlyList<PrefillChunk> Create(IEnumerable<PromptSegment> segments, int chunkTokens, int maxPatches = int.MaxValue)
    {
        List<PrefillChunk> chunks = [];
        List<int> tokens = [];
        List<PatchGrid> images = [];
        foreach (PromptSegment segment in segments)
        {
            if (segment.Image is not null)
            {
                if (tokens.Count + segment.TokenIds.Length > chunkTokens || (images.Count > 0 && images.Sum(image => image.Count) > maxPatches - segment.Image.Count))
                    Flush();
                tokens.AddRange(segment.TokenIds.Span);
                images.Add(segment.Image);
                continue;
            }
            ReadOnlySpan<int> rest = segment.TokenIds.Span;
            while (rest.Length > 0)
            {
                if (tokens.Count >= chunkTokens)
                    Flush();
                int taken = Math.Min(rest.Length, chunkTokens - tokens.Count);
                tokens.AddRange(rest[..taken]);
                rest = rest[taken..];
            }
        }
        Flush();
        return chunks;

        void Flush()
        {
            if (tokens.Count == 0)
                return;
            chunks.Add(new PrefillChunk(tokens.ToArray(), images.ToArray()));
            tokens.Clear();
            images.Clear();
        }
    }
}

/// <summary>One piece of a prompt.</summary>
/// <param name="TokenIds">int32 [n].</param>
/// <param name="Images">The images whose placeholders are among the tokens.</param>
internal sealed record PrefillChunk(ReadOnlyMemory<int> TokenIds, IReadOnlyList<PatchGrid> Images)
{
    public int PatchCount => Images.Sum(image => image.Count);
}
