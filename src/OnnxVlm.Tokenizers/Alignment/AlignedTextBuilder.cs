namespace OnnxVlm.Tokenizers.Alignment;

/// <summary>Builds a text from another one, and keeps the origins.</summary>
/// <param name="source">The source text.</param>
/// <param name="capacity">The expected number of characters.</param>
internal sealed class AlignedTextBuilder(AlignedText source, int capacity)
{
    private readonly Origin[]? _from = source.Origins;
    private char[] _text = new char[Math.Max(capacity, 16)];
    private Origin[]? _origins = source.Origins is null ? null : new Origin[Math.Max(capacity, 16)];
    private int _length;

    public int Length => _length;

    /// <summary>Copies a range of the source.</summary>
    public void Copy(int start, int end)
    {
        MakeRoom(end - start);
        source.Text.AsSpan(start, end - start).CopyTo(_text.AsSpan(_length));
        if (_origins is not null)
            _from.AsSpan(start, end - start).CopyTo(_origins.AsSpan(_length));
        _length += end - start;
    }

    /// <summary>Writes a text that replaces a range of the source; the range is empty where nothing is replaced.</summary>
    public void Write(ReadOnlySpan<char> text, int start, int end)
    {
        Origin origin = OriginOf(start, end);
        MakeRoom(text.Length);
        text.CopyTo(_text.AsSpan(_length));
        _origins?.AsSpan(_length, text.Length).Fill(origin);
        _length += text.Length;
    }

    /// <summary>Writes a character that replaces a range of the source.</summary>
    public void Write(char character, int start, int end) => Write([character], start, end);

    /// <summary>The range of the caller's text that a range of the source comes from.</summary>
    public Origin OriginOf(int start, int end)
    {
        if (_from is null || _from.Length == 0)
            return default;
        if (end > start)
            return new Origin(_from[start].Start, _from[end - 1].End);
        int place = start < _from.Length ? _from[start].Start : _from[^1].End;
        return new Origin(place, place);
    }

    public AlignedText ToText() => new(new string(_text, 0, _length), _origins?[.._length]);

    private void MakeRoom(int count)
    {
        if (_length + count <= _text.Length)
            return;
        int size = (int)Math.Min(Array.MaxLength, Math.Max((long)_length + count, 2L * _text.Length));
        Array.Resize(ref _text, size);
        if (_origins is not null)
            Array.Resize(ref _origins, size);
    }
}
