using OnnxVlm.ModelFolder;

namespace OnnxVlm.Imaging;

/// <summary>How many patches an image becomes, computed from its size alone: nothing is decoded.</summary>
/// <param name="Rows">Rows of patches, 1 or more.</param>
/// <param name="Columns">Columns of patches, 1 or more.</param>
public readonly record struct PatchShape(int Rows, int Columns)
{
    /// <summary>Number of patches: <see cref="Rows"/> · <see cref="Columns"/>.</summary>
    public int Count => checked(Rows * Columns);

    /// <summary>The patches of an image of a given size, after the model's resize rule.</summary>
    /// <param name="rules">The image rules of the model folder.</param>
    /// <param name="widthPx">Width of the upright image in pixels, 1 or more.</param>
    /// <param name="heightPx">Height of the upright image in pixels, 1 or more.</param>
    /// <exception cref="ArgumentOutOfRangeException">A side is less than 1.</exception>
    /// <exception cref="InvalidImageException">The rule does not accept an image of this size.</exception>
    public static PatchShape Of(ImageRules rules, int widthPx, int heightPx)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentOutOfRangeException.ThrowIfLessThan(widthPx, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(heightPx, 1);
        (int width, int height) = ImageSize.AfterResize(rules.Resize, rules.PatchSize, widthPx, heightPx);
        return Cover(width, height, rules.PatchSize);
    }

    /// <summary>
    /// The number of tokens that represent the image in a prompt: a placeholder for each patch, and the row ends, begin and end that the model has.
    /// </summary>
    /// <param name="tokens">The model's token ids.</param>
    public int TokenCount(ImageTokens tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        return checked(Count + (tokens.RowEnd is null ? 0 : Rows) + (tokens.Begin is null ? 0 : 1) + (tokens.End is null ? 0 : 1));
    }

    /// <summary>The patches that cover a size; the last row and column may extend beyond it.</summary>
    internal static PatchShape Cover(int widthPx, int heightPx, int patchSize) => new((heightPx - 1) / patchSize + 1, (widthPx - 1) / patchSize + 1);
}
