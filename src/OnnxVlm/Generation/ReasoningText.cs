using System.Text;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Generation;

/// <summary>Separates the tokens of a model's reasoning from those of its answer, and assembles their text.</summary>
/// <param name="tokens">The tokens around reasoning; null where a model has none.</param>
internal sealed class ReasoningText(ReasoningTokens? tokens)
{
    // No stop sequences: they apply to the answer.
    private readonly TextAssembler _text = new([]);
    private readonly StringBuilder _start = new();
    private bool _isPastHeader;
    private bool _holdsBreak;

    /// <summary>Whether reasoning has begun and not ended.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Checks whether a prompt ends inside the reasoning.</summary>
    /// <param name="promptTokenIds">The prompt.</param>
    public void Begin(IEnumerable<int> promptTokenIds)
    {
        foreach (int id in promptTokenIds)
            IsOpen = id == tokens?.Begin || (IsOpen && id != tokens?.End);
        _isPastHeader = IsOpen;
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="tokenId">The token.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <returns>Text of the reasoning that is certain now, empty for the tokens around it; null for a token of the answer.</returns>
    public string? Add(int tokenId, ReadOnlySpan<byte> bytes)
    {
        if (tokenId == tokens?.Begin && !IsOpen)
        {
            IsOpen = true;
            _isPastHeader = tokens.Header is null;
            return "";
        }

        if (!IsOpen)
            return null;
        IsOpen = tokenId != tokens!.End;
        return IsOpen ? WithoutBreak(WithoutHeader(_text.Add(bytes), isLast: false), isLast: false) : Finish();
    }

    /// <summary>Ends the reasoning.</summary>
    /// <returns>What was held back.</returns>
    public string Finish() => WithoutBreak(WithoutHeader(_text.Finish(), isLast: true), isLast: true);

    // The line break before the closing token belongs to it.
    private string WithoutBreak(string text, bool isLast)
    {
        if (_holdsBreak && (text.Length > 0 || isLast))
            text = "\n" + text;
        else if (text.Length == 0)
            return text;
        _holdsBreak = text.EndsWith('\n');
        if (!_holdsBreak)
            return text;
        _holdsBreak = !isLast;
        return text[..^1];
    }

    // Text is held back as long as it may be the header.
    private string WithoutHeader(string text, bool isLast)
    {
        if (_isPastHeader)
            return text;
        string start = _start.Append(text).ToString(), header = tokens!.Header!;
        if (!isLast && start.Length < header.Length && header.StartsWith(start, StringComparison.Ordinal))
            return "";
        _start.Clear();
        _isPastHeader = true;

        // A model that stops reasoning immediately may omit the end of the header.
        return start.StartsWith(header, StringComparison.Ordinal)
            ? start[header.Length..]
            : isLast && header.StartsWith(start, StringComparison.Ordinal) ? "" : start;
    }
}
