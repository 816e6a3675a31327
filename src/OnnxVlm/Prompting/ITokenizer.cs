namespace OnnxVlm.Prompting;

/// <summary>Text to token ids. Implementations are safe to call from several threads at once.</summary>
public interface ITokenizer
{
    /// <summary>Encodes text in which a special token's text becomes that token; text from outside goes through <see cref="EncodeAsText"/> instead.</summary>
    /// <param name="text">Any text; an empty one gives no ids.</param>
    /// <returns>The token ids.</returns>
    int[] Encode(string text);

    /// <summary>Encodes a rendered prompt in one pass. A special token is made only of characters that are all from the template.</summary>
    /// <param name="text">Any text; an empty one gives no ids.</param>
    /// <param name="fromTemplate">A flag for each character, true where it is from the template; empty where all are.</param>
    /// <returns>The token ids.</returns>
    /// <exception cref="ArgumentException">There are flags, but not one for each character.</exception>
    int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate);

    /// <summary>Encodes text from outside: whatever it spells, it becomes no special token.</summary>
    /// <param name="text">Any text; an empty one gives no ids.</param>
    /// <returns>The token ids, none of them special.</returns>
    int[] EncodeAsText(ReadOnlySpan<char> text);
}
