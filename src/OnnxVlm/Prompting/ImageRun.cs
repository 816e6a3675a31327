using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Prompting;

/// <summary>The tokens that represent an image.</summary>
public static class ImageRun
{
    /// <summary>
    /// Builds the begin token, then for each row of patches one placeholder per patch and the row-end token, then the end token. Tokens that a model
    /// does not have are left out.
    /// </summary>
    /// <param name="tokens">The model's token ids.</param>
    /// <param name="image">The image.</param>
    /// <returns>The segment of the prompt.</returns>
    public static PromptSegment Create(ImageTokens tokens, PatchGrid image)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(image);
        List<int> ids = new(new PatchShape(image.Rows, image.Columns).TokenCount(tokens));
        if (tokens.Begin is { } begin)
            ids.Add(begin);
        for (int row = 0; row < image.Rows; row++)
        {
            ids.AddRange(Enumerable.Repeat(tokens.Placeholder, image.Columns));
            if (tokens.RowEnd is { } rowEnd)
                ids.Add(rowEnd);
        }
        if (tokens.End is { } end)
            ids.Add(end);
        return new PromptSegment(ids.ToArray(), image);
    }
}
