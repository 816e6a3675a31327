namespace OnnxVlm.Prompting;

/// <summary>Text to token ids. Implementations are safe to call from several threads at once.</summary>
public interface ITokenizer
{
    /// <summary>
    /// Encodes text and converts the text of a special token to that token. Untrusted text goes through <see cref="EncodeAsText"/> instead.
    /// </summary>
    /// <param name="text">Any text; the empty text has no ids.</param>
    /// <returns>The token ids.</returns>
    int[] Encode(string text);

    /// <summary>Encodes a rendered prompt in one pass. Characters become a special token only if all of them are from the template.</summary>
    /// <param name="text">Any text; the empty text has no ids.</param>
    /// <param name="fromTemplate">A flag for each character, true where it is from the template; empty where all are.</param>
    /// <returns>The token ids.</returns>
    /// <exception cref="ArgumentException">There are flags, but not one for each character.</exception>
    int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate);

    /// <summary>Encodes untrusted text: whatever it spells, it contains no special token.</summary>
    /// <param name="text">Any text; the empty text has no ids.</param>
    /// <returns>The token ids, none of them special.</returns>
    int[] EncodeAsText(ReadOnlySpan<char> text);
}
