using OnnxVlm.Imaging;

namespace OnnxVlm.Runtime;

/// <summary>A piece of a prompt that the model reads in one run.</summary>
/// <param name="TokenIds">int32 [n], at least one.</param>
/// <param name="Images">The parts of images that belong to the placeholders among the tokens, in the same order.</param>
internal sealed record PrefillChunk(ReadOnlyMemory<int> TokenIds, IReadOnlyList<ImagePart> Images)
{
    /// <summary>Whether the state after it is saved, if the model has recurrent layers.</summary>
    public bool SavesState { get; init; }

    /// <summary>Number of patches.</summary>
    public int PatchCount => Images.Sum(image => image.Count);

    /// <summary>Rejects a piece whose patches do not match its placeholders: the model would read it without an error, but wrongly.</summary>
    /// <param name="placeholder">The token that stands for a patch.</param>
    /// <exception cref="ArgumentException">There are more or fewer placeholders than patches.</exception>
    public void RefuseMissingPatches(int placeholder)
    {
        int patches = PatchCount, places = TokenIds.Span.Count(placeholder);
        if (Images.Count > 0 && places != patches)
            throw new ArgumentException($"The images have {patches} patches, and there are {places} placeholder tokens for them; an image is read whole.");
    }
}

/// <summary>Consecutive patches of an image.</summary>
/// <param name="Image">The image.</param>
/// <param name="First">The first of them.</param>
/// <param name="Count">How many.</param>
internal sealed record ImagePart(PatchGrid Image, int First, int Count)
{
    /// <summary>uint8 [count, bytes of a patch].</summary>
    public ReadOnlyMemory<byte> Patches => Image.Patches.Slice(First * BytesPerPatch, Count * BytesPerPatch);

    private int BytesPerPatch => Image.Patches.Length / Image.Count;

    /// <summary>Writes column and row of each patch.</summary>
    /// <param name="destination">Receives int64 [count, 2].</param>
    public void WritePlaces(Span<long> destination)
    {
        for (int i = 0; i < Count; i++)
        {
            destination[(2 * i) + 0] = (First + i) % Image.Columns;
            destination[(2 * i) + 1] = (First + i) / Image.Columns;
        }
    }
}
