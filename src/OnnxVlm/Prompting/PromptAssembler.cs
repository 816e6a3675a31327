using System.Text;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Prompting;

/// <summary>Puts the segments of a prompt together, text and images in turn, and the text that shows them.</summary>
/// <param name="tokens">The tokens that stand for an image.</param>
/// <param name="tokenizer">Encodes text, and tells how the tokens of images are spelled.</param>
/// <param name="shown">Where the text is appended; null for none.</param>
internal sealed class PromptAssembler(ImageTokens tokens, ITokenizer tokenizer, StringBuilder? shown)
{
    private readonly List<PromptSegment> _segments = [];
    private readonly List<int> _text = [];

    // The template's text from here on is not shown yet; and whether the end token of an image may follow, which is already there.
    private RenderedPrompt? _piece;
    private int _shownTo, _pieceEnd;
    private bool _skipsEnd;

    public void AddText(ReadOnlySpan<int> ids)
    {
        foreach (int id in ids)
            AddToken(id);
    }

    /// <summary>Adds a stretch of a rendered prompt.</summary>
    /// <param name="rendered">The prompt.</param>
    /// <param name="start">Where the stretch begins.</param>
    /// <param name="end">Where it ends.</param>
    /// <returns>True at each placeholder that the template wrote: the caller adds the image then.</returns>
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

    /// <summary>Adds an image. Begin and end tokens that the template has written around it are its own.</summary>
    /// <param name="image">The image.</param>
    public void AddImage(PatchGrid image) => Add(ImageRun.Create(tokens, image));

    /// <summary>Adds an image of which nothing is known, as one placeholder.</summary>
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
        // The template's own end token is shown with its text.
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

    // Where the next placeholder is spelled that the template wrote.
    private int FindPlaceholder()
    {
        if (Spell(tokens.Placeholder) is not { } spelled)
            return _shownTo;
        for (int found = _piece!.Text.IndexOf(spelled, _shownTo, StringComparison.Ordinal); found >= 0; found = _piece.Text.IndexOf(spelled, found + 1, StringComparison.Ordinal))
        {
            if (!_piece.FromTemplate.Span.Slice(found, spelled.Length).Contains(false))
                return found;
        }
        return _shownTo;
    }

    private string? Spell(int id) => (tokenizer as ModelTokenizer)?.Inner.TokenOf(id);
}
