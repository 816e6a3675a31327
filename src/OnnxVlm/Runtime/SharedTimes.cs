using Microsoft.ML.OnnxRuntimeGenAI;

namespace OnnxVlm.Runtime;

/// <summary>
/// For models in which the tokens of an image share one time: the graph input <c>rope_shift</c>, by how much a token's index is ahead of its time. It changes when images are read,
/// after the run that reads them, and when a sequence is rewound.
/// </summary>
/// <param name="placeholder">The token that stands for a patch; neighbours are of one image.</param>
internal sealed class SharedTimes(int placeholder) : IDisposable
{
    private readonly PinnedTensor<long> _shift = new(ElementType.int64, 1);

    // Indices of the tokens that go on with an image, ascending.
    private readonly List<int> _goOn = [];

    /// <summary>int64 [1].</summary>
    public Tensor Shift => _shift.Tensor;

    /// <summary>Notes what the model has read.</summary>
    /// <param name="start">Index of the first token.</param>
    /// <param name="tokenIds">The tokens; their images are whole.</param>
    public void Append(int start, ReadOnlySpan<int> tokenIds)
    {
        for (int i = 1; i < tokenIds.Length; i++)
        {
            if (tokenIds[i] == placeholder && tokenIds[i - 1] == placeholder)
                _goOn.Add(start + i);
        }

        _shift.Data[0] = _goOn.Count;
    }

    /// <summary>Forgets the tokens from an index on.</summary>
    /// <param name="length">Tokens that are kept.</param>
    /// <exception cref="ArgumentException">The end would be inside an image, whose tokens have seen each other.</exception>
    public void RewindTo(int length)
    {
        int kept = _goOn.BinarySearch(length);
        if (kept >= 0)
            throw new ArgumentException($"Token {length} is inside an image, which this model reads as a whole; rewind to its beginning or its end.", nameof(length));
        _goOn.RemoveRange(~kept, _goOn.Count - ~kept);
        _shift.Data[0] = _goOn.Count;
    }

    public void Dispose() => _shift.Dispose();
}
