using System.Text;

namespace OnnxVlm.Generation;

/// <summary>
/// Assembles the bytes of tokens into text that may be shown: incomplete characters wait for their other bytes, and text that may become a stop
/// sequence waits until it is decided.
/// </summary>
internal sealed class TextAssembler
{
    private readonly IReadOnlyList<string> _stopSequences;
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder _held = new();

    public TextAssembler(IReadOnlyList<string> stopSequences) => _stopSequences = stopSequences;

    /// <summary>Whether a stop sequence has been found. The text after it is dropped.</summary>
    public bool IsStopped => StopSequence is not null;

    /// <summary>The stop sequence that was found; null for none.</summary>
    public string? StopSequence { get; private set; }

    /// <summary>Adds the bytes of the next token.</summary>
    /// <param name="bytes">UTF-8, possibly a part of a character.</param>
    /// <returns>Text that is certain now; may be empty.</returns>
    public string Add(ReadOnlySpan<byte> bytes) => IsStopped ? "" : Release(Decode(bytes, isLast: false), isLast: false);

    /// <summary>Ends the text.</summary>
    /// <returns>What was held back; an incomplete character becomes U+FFFD.</returns>
    public string Finish() => IsStopped ? "" : Release(Decode([], isLast: true), isLast: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool isLast)
    {
        Span<char> characters = stackalloc char[Encoding.UTF8.GetMaxCharCount(Math.Min(bytes.Length, 256) + 4)];
        if (bytes.Length > 256)
            characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 4)];
        return new string(characters[.._decoder.GetChars(bytes, characters, isLast)]);
    }

    private string Release(string added, bool isLast)
    {
        if (_stopSequences.Count == 0)
            return added;
        string all = _held.Append(added).ToString();
        _held.Clear();

        (int stop, string? text) = FirstStop(all);
        if (text is not null)
        {
            StopSequence = text;
            return all[..stop];
        }
        int certain = isLast ? all.Length : all.Length - LengthOfPossibleStop(all);
        _held.Append(all, certain, all.Length - certain);
        return all[..certain];
    }

    private (int Place, string? StopSequence) FirstStop(string text)
    {
        (int Place, string? StopSequence) first = (-1, null);
        foreach (string stop in _stopSequences)
        {
            int found = text.IndexOf(stop, StringComparison.Ordinal);
            if (found >= 0 && (first.StopSequence is null || found < first.Place))
                first = (found, stop);
        }
        return first;
    }

    // The longest end of the text that is the beginning of a stop sequence.
    private int LengthOfPossibleStop(string text)
    {
        int longest = 0;
        foreach (string stop in _stopSequences)
        {
            for (int length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                    longest = length;
            }
        }
        return longest;
    }
}
