using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>
/// The positions of a sequence's images, for models in which the tokens of an image belong together. Guarded by the lock of
/// <see cref="BatchRunner"/>, or used by one thread.
/// </summary>
/// <param name="rules">The model's rules.</param>
internal sealed class ImageSpans(ImageRules rules)
{
    // For each image: the first placeholder, the token after the last, and how many positions they take if its tokens share one.
    private readonly List<(int Start, int End, int Positions)> _spans = [];

    /// <summary>The difference between the index of the next token and its position, for models in which the tokens of an image share a position.</summary>
    public int PositionOffset => _spans.Sum(span => span.End - span.Start - span.Positions);

    /// <summary>Records the images of a piece that was read; each is complete.</summary>
    /// <param name="start">Index of the piece's first token.</param>
    /// <param name="chunk">The piece.</param>
    public void Add(int start, PrefillChunk chunk)
    {
        ReadOnlySpan<int> tokens = chunk.TokenIds.Span;
        int next = 0;
        foreach (ImagePart image in chunk.Images)
        {
            int first = next + tokens[next..].IndexOf(rules.Tokens.Placeholder);
            next = first;
            for (int patches = 0; patches < image.Count; next++)
                patches += tokens[next] == rules.Tokens.Placeholder ? 1 : 0;
            _spans.Add((start + first, start + next, rules.AdvancesByLongerSide ? Math.Max(image.Image.Rows, image.Image.Columns) : 1));
        }
    }

    /// <summary>Forgets the images from a position on.</summary>
    /// <param name="length">Number of tokens that are kept.</param>
    /// <exception cref="ArgumentException">The position is inside an image.</exception>
    public void RewindTo(int length)
    {
        foreach ((int start, int end, _) in _spans)
        {
            if (length > start && length < end)
                throw new ArgumentException(
                    $"Token {length} is inside an image, whose tokens may have seen each other; rewind to {start} or {end}.", nameof(length));
        }
        _spans.RemoveAll(span => span.End > length);
    }

    /// <summary>Copies the images of another sequence up to a position.</summary>
    /// <param name="source">The spans of the other sequence.</param>
    /// <param name="length">Number of tokens that are copied.</param>
    public void CopyFrom(ImageSpans source, int length)
    {
        _spans.Clear();
        _spans.AddRange(source._spans.Where(span => span.End <= length));
    }
}
