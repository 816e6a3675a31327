using System.Text;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Prompting;

/// <summary>Assembles the segments of a prompt, text and images in turn, and the text that shows them.</summary>
/// <param name="tokens">The tokens that represent an image.</param>
/// <param name="tokenizer">Encodes text, and knows the spelling of the image tokens.</param>
/// <param name="shown">Receives the text; null for none.</param>
internal sealed class PromptAssembler(ImageTokens tokens, ITokenizer tokenizer, StringBuilder? shown)
{
    private readonly List<PromptSegment> _segments = [];
    private readonly List<int> _text = [];

    // From here on, the template's text is not shown yet. The flag tells whether the end token of an image may follow, which is already there.
    private RenderedPrompt? _piece;
    private int _shownTo, _pieceEnd;
    private bool _skipsEnd;

    public void AddText(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
            AddToken(id);
    }

    /// <summary>Adds a range of a rendered prompt.</summary>
    /// <param name="rendered">The prompt.</param>
    /// <param name="start">The start of the range.</param>
    /// <param name="end">Its end.</param>
    /// <returns>True at each placeholder that the template wrote; the caller then adds the image.</returns>
    public IEnumerable<bool> AddPiece(RenderedPrompt rendered, int start, int end)
    {
        (_piece, _shownTo, _pieceEnd) = (rendered, start, end);
        foreach (int id in tokenizer.Encode(rendered.Text.AsSpan(start, end - start), rendered.FromTemplate.Span[start..end]))
        {
            if (id != tokens.Placeholder)
            {
                AddToken(id);
                continue;
            }
            ShowTo(FindPlaceholder());
            yield return true;
            _shownTo = Math.Min(_pieceEnd, _shownTo + (Spell(tokens.Placeholder)?.Length ?? 0));
        }
        ShowTo(end);
        _piece = null;
    }

    /// <summary>Adds an image. Begin and end tokens that the template has written around it are not repeated.</summary>
    /// <param name="image">The image.</param>
    public void AddImage(PatchGrid image) => Add(ImageRun.Create(tokens, image));

    /// <summary>Adds an image of unknown size as one placeholder.</summary>
    public void AddUnknownImage() => Add(ImageRun.Create(tokens with { RowEnd = null }, new PatchGrid(1, 1, [])) with { Image = null });

    public PromptSegment[] ToSegments()
    {
        Flush();
        return [.. _segments];
    }

    private void Add(PromptSegment run)
    {
        bool hasBegin = tokens.Begin is { } begin && _text.Count > 0 && _text[^1] == begin;
        if (hasBegin)
            _text.RemoveAt(_text.Count - 1);
        Flush();
        _segments.Add(run);
        _skipsEnd = tokens.End is not null;
        Show(run.TokenIds.Span, hasBegin);
    }

    private void AddToken(int id)
    {
        bool isEndOfImage = _skipsEnd && id == tokens.End;
        _skipsEnd = false;
        if (!isEndOfImage)
            _text.Add(id);
    }

    private void Flush()
    {
        if (_text.Count == 0)
            return;
        _segments.Add(new PromptSegment(_text.ToArray()));
        _text.Clear();
    }

    private void Show(ReadOnlySpan<int> run, bool hasBegin)
    {
        if (shown is null)
            return;
        foreach (int id in run[(hasBegin ? 1 : 0)..])
            shown.Append(Spell(id));
        // The end token that the template wrote is shown with the template's text.
        string? end = tokens.End is { } last ? Spell(last) : null;
        int next = _shownTo + (Spell(tokens.Placeholder)?.Length ?? 0);
        if (end is not null && _piece is { } piece && next <= _pieceEnd && piece.Text.AsSpan(next, _pieceEnd - next).StartsWith(end, StringComparison.Ordinal))
            shown.Length -= end.Length;
    }

    private void ShowTo(int end)
    {
        shown?.Append(_piece!.Text, _shownTo, end - _shownTo);
        _shownTo = end;
    }

    // Finds the next placeholder that the template wrote.
    private int FindPlaceholder()
    {
        if (Spell(tokens.Placeholder) is not { } spelled)
            return _shownTo;
        string text = _piece!.Text;
        int found = text.IndexOf(spelled, _shownTo, StringComparison.Ordinal);
        for (; found >= 0; found = text.IndexOf(spelled, found + 1, StringComparison.Ordinal))
        {
            if (!_piece.FromTemplate.Span.Slice(found, spelled.Length).Contains(false))
                return found;
        }
        return _shownTo;
    }

    private string? Spell(int id) => (tokenizer as ModelTokenizer)?.Inner.TokenOf(id);
}
