using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>Where the images of a sequence are, for models in which the tokens of an image belong together. Guarded by the lock of <see cref="BatchRunner"/>, or used by one thread.</summary>
/// <param name="rules">The model's.</param>
internal sealed class ImageSpans(ImageRules rules)
{
    // Of each image the first placeholder, the token after the last, and how many positions they take where its tokens share one.
    private readonly List<(int Start, int End, int Positions)> _spans = [];

    /// <summary>By how much the index of the next token is ahead of its position, where the tokens of an image share one.</summary>
    public int PositionOffset => _spans.Sum(span => span.End - span.Start - span.Positions);

    /// <summary>Notes the images of a piece that was read; each is whole.</summary>
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
                throw new ArgumentException($"Token {length} is inside an image, whose tokens may have seen each other; rewind to {start} or {end}.", nameof(length));
        }
        _spans.RemoveAll(span => span.End > length);
    }

    /// <summary>Takes over the images of another sequence up to a position.</summary>
    /// <param name="source">The other sequence's.</param>
    /// <param name="length">Number of tokens that are taken over.</param>
    public void CopyFrom(ImageSpans source, int length)
    {
        _spans.Clear();
        _spans.AddRange(source._spans.Where(span => span.End <= length));
    }
}
