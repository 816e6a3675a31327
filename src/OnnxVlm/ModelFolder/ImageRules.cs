using System.Text.Json.Serialization;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// How an image becomes patches and tokens for one model: the section <c>image</c> of <c>onnxvlm.json</c>.
/// Each value is checked when it is set; <see cref="Validate"/> checks them against each other.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ImageRules
{
    /// <summary>Side of a square patch in pixels, 1 to 256.</summary>
    /// <exception cref="ArgumentException">The value is out of range.</exception>
    public required int PatchSize { get; init => field = ManifestCheck.Range(value, 1, 256, "image.patch_size"); }

    /// <summary>Order of the 3·p·p bytes within a patch.</summary>
    public required PatchLayout PatchLayout { get; init; }

    /// <summary>When the image is resized, to what size and with which filter.</summary>
    public required ResizeRule Resize { get; init; }

    /// <summary>What fills the right and the bottom up to a multiple of <see cref="PatchSize"/>.</summary>
    public required PaddingRule Padding { get; init; }

    /// <summary>Whether the graph has the input <c>patch_xy</c> (column and row of each patch).</summary>
    public required bool HasPositions { get; init; }

    /// <summary>Ids of the tokens that stand for an image in the prompt.</summary>
    public required ImageTokens Tokens { get; init; }

    /// <summary>The most patches that an image can have after <see cref="Resize"/>.</summary>
    [JsonIgnore]
    public int MaxPatches => Resize.MaxPatches ?? Blocks(Resize.MaxHeightPx!.Value) * Blocks(Resize.MaxWidthPx!.Value);

    /// <summary>Checks the values that depend on each other.</summary>
    /// <exception cref="ArgumentException">A section is missing, a value that a rule needs is missing, or one that it cannot use is given.</exception>
    public void Validate()
    {
        ManifestCheck.Present(Resize, "image.resize");
        ManifestCheck.Present(Padding, "image.padding");
        ManifestCheck.Present(Tokens, "image.tokens");
        Resize.Validate();
        Padding.Validate();
    }

    /// <summary>The same rules with another budget of patches, each of which is a token: a smaller one reads faster, a larger one sees more.</summary>
    /// <param name="maxPatches">The most patches of an image.</param>
    /// <exception cref="ArgumentException">The model has no budget, or was trained with others.</exception>
    internal ImageRules WithBudget(int maxPatches)
    {
        IReadOnlyList<int>? budgets = Resize.Budgets;
        if (Resize.Rule is not (ResizeMode.FillArea or ResizeMode.Fit))
            throw new ArgumentException($"The model's images have no budget of tokens to choose, found {maxPatches}; leave it out.");
        if (budgets?.Contains(maxPatches) == false || (budgets is null && (maxPatches < 1 || maxPatches > Resize.MaxPatches)))
            throw new ArgumentException($"Tokens of an image: the model takes {(budgets is null ? $"1 to {Resize.MaxPatches}" : string.Join(", ", budgets))}, found {maxPatches}.");
        return this with { Resize = Resize with { MaxPatches = maxPatches } };
    }

    private int Blocks(int sidePx) => (sidePx + PatchSize - 1) / PatchSize;
}
