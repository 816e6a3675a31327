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

    /// <summary>Whether and how the image is resized: to what size, and with which filter.</summary>
    public required ResizeRule Resize { get; init; }

    /// <summary>How the right and the bottom are padded to a multiple of <see cref="PatchSize"/>.</summary>
    public required PaddingRule Padding { get; init; }

    /// <summary>How transparency is treated; null drops it: the colours are used as stored.</summary>
    public AlphaMode? Alpha { get; init; }

    /// <summary>Whether the graph has the input <c>patch_xy</c> (column and row of each patch).</summary>
    public required bool HasPositions { get; init; }

    /// <summary>
    /// Whether the tokens of an image share one position in the text; the graph then has the input <c>position_offset</c>. Default false.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SharesTextPosition { get; init; }

    /// <summary>
    /// Whether the tokens of an image, or its patches, attend to each other in both directions, so that an image has to be read whole. Default false:
    /// attention is causal, as for text, and an image may be read in pieces.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool BidirectionalAttention { get; init; }

    /// <summary>
    /// How far the position advances after an image whose tokens share one position. True: by the number of patches along the longer side of the
    /// image. Default false: by one.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool AdvancesByLongerSide { get; init; }

    /// <summary>Ids of the tokens that represent an image in the prompt.</summary>
    public required ImageTokens Tokens { get; init; }

    /// <summary>The most patches that an image can have after <see cref="Resize"/>.</summary>
    [JsonIgnore]
    public int MaxPatches => Resize.Rule switch
    {
        ResizeMode.ShrinkToBox => Blocks(Resize.MaxHeightPx!.Value) * Blocks(Resize.MaxWidthPx!.Value),
        ResizeMode.SmartResize or ResizeMode.SmartResizeWithoutFloor => MostSmartPatches(),
        _ => Resize.MaxPatches!.Value,
    };

    /// <summary>Checks the values that depend on each other.</summary>
    /// <exception cref="ArgumentException">A section is missing, a value that a rule needs is missing, or a value is given that the rule
    /// does not use.</exception>
    public void Validate()
    {
        ManifestCheck.Present(Resize, "image.resize");
        ManifestCheck.Present(Padding, "image.padding");
        ManifestCheck.Present(Tokens, "image.tokens");
        Resize.Validate();
        Padding.Validate();
    }

    /// <summary>
    /// The same rules with another budget of patches, each of which is a token: a smaller budget is faster, a larger one shows more detail.
    /// </summary>
    /// <param name="maxPatches">The most patches of an image.</param>
    /// <exception cref="ArgumentException">The model has no budget, or was trained with others.</exception>
    internal ImageRules WithBudget(int maxPatches)
    {
        if (Resize.Rule is ResizeMode.ShrinkToBox or ResizeMode.Keep)
            throw new ArgumentException($"The model's images have no budget of tokens to choose, found {maxPatches}; leave it out.");
        int area = PatchSize * PatchSize;
        (int least, int most) = Resize.MaxPixels is int pixels
            ? ((Resize.MinPixels!.Value + area - 1) / area, (Resize.LimitPixels ?? pixels) / area)
            : (1, Resize.MaxPatches!.Value);
        IReadOnlyList<int>? budgets = Resize.Budgets;
        if (budgets?.Contains(maxPatches) == false || (budgets is null && (maxPatches < least || maxPatches > most)))
            throw new ArgumentException(
                $"Tokens of an image: the model takes {(budgets is null ? $"{least} to {most}" : string.Join(", ", budgets))}, found {maxPatches}.");
        return this with { Resize = Resize.MaxPixels is not null ? Resize with { MaxPixels = maxPatches * area } : Resize with { MaxPatches = maxPatches } };
    }

    /// <summary>
    /// The larger of two numbers: what the upper limit allows; and the patches of an elongated image, whose shorter side keeps one patch when it
    /// shrinks, and both of whose sides are rounded up when it grows.
    /// </summary>
    private int MostSmartPatches()
    {
        double area = PatchSize * PatchSize, most = Resize.MaxPixels!.Value / area, fewest = Resize.MinPixels!.Value / area;
        double longest = Math.Sqrt(fewest * ResizeRule.SmartAspectRatio);
        return (int)Math.Ceiling(Math.Max(Math.Max(most, Math.Sqrt(most * ResizeRule.SmartAspectRatio)), fewest + longest + (fewest / longest) + 1));
    }

    private int Blocks(int sidePx) => (sidePx + PatchSize - 1) / PatchSize;
}
