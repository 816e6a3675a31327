namespace OnnxVlm.Tokenizers.Alignment;

/// <summary>Takes the tokens of a text in order, with their places in it where they are wanted. Used by one thread.</summary>
/// <param name="tracksPlaces">Whether places are wanted.</param>
internal sealed class TokenSink(bool tracksPlaces)
{
    private readonly List<Origin>? _places = tracksPlaces ? [] : null;
    private Origin[]? _origins;
    private int _start;

    public List<int> Ids { get; } = [];

    /// <summary>The place of each token in the caller's text.</summary>
    public IReadOnlyList<Origin> Places => _places!;

    public bool TracksPlaces => tracksPlaces;

    /// <summary>Adds a token that was found in the caller's text.</summary>
    public void Add(int id, Origin place)
    {
        Ids.Add(id);
        _places?.Add(place);
    }

    /// <summary>Tells which piece the model reads next.</summary>
    public void Enter(AlignedText text, int start)
    {
        _origins = text.Origins;
        _start = start;
    }

    /// <summary>Adds a token of the piece that was entered.</summary>
    /// <param name="id">The token.</param>
    /// <param name="start">Where it begins in the piece.</param>
    /// <param name="end">Where it ends.</param>
    public void Add(int id, int start, int end)
    {
        Ids.Add(id);
        _places?.Add(new Origin(_origins![_start + start].Start, _origins[_start + end - 1].End));
    }
}
