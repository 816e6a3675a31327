namespace OnnxVlm.Tokenizers.Alignment;

/// <summary>Receives the tokens of a text in order, and their ranges in the text if wanted. Used by one thread.</summary>
/// <param name="tracksPlaces">Whether ranges are wanted.</param>
internal sealed class TokenSink(bool tracksPlaces)
{
    private readonly List<Origin>? _places = tracksPlaces ? [] : null;
    private Origin[]? _origins;
    private int _start;

    public List<int> Ids { get; } = [];

    /// <summary>The range of each token in the caller's text.</summary>
    public IReadOnlyList<Origin> Places => _places!;

    public bool TracksPlaces => tracksPlaces;

    /// <summary>Adds a token that was found in the caller's text.</summary>
    public void Add(int id, Origin place)
    {
        Ids.Add(id);
        _places?.Add(place);
    }

    /// <summary>Sets the piece that the model encodes next.</summary>
    public void Enter(AlignedText text, int start)
    {
        _origins = text.Origins;
        _start = start;
    }

    /// <summary>Adds a token of the current piece.</summary>
    /// <param name="id">The token.</param>
    /// <param name="start">Its start in the piece.</param>
    /// <param name="end">Its end.</param>
    public void Add(int id, int start, int end)
    {
        Ids.Add(id);
        _places?.Add(new Origin(_origins![_start + start].Start, _origins[_start + end - 1].End));
    }
}
