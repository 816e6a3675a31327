namespace OnnxVlm.Prompting;

/// <summary>
/// Encodes text from outside so that it never becomes a special token, whatever it spells. Safe to use from several threads at once.
/// A tokenizer only recognizes a special token that it sees whole, so the text is cut inside each one.
/// </summary>
/// <param name="tokenizer">Encodes the pieces.</param>
/// <param name="vocabulary">Tells which tokens are special.</param>
public sealed class ContentEncoder(ITokenizer tokenizer, Vocabulary vocabulary)
{
    /// <summary>Encodes the text of a message.</summary>
    /// <param name="text">Any text. NUL, which the native tokenizer takes for the end, becomes U+FFFD.</param>
    /// <returns>Token ids, none of them special.</returns>
    /// <exception cref="VlmException">The tokenizer produced a special token all the same; the text is refused.</exception>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = text.Replace('\0', '\uFFFD');
        List<int> ids = [];
        int start = 0;
        while (start < text.Length)
        {
            int end = EndOfPiece(text, start);
            ids.AddRange(tokenizer.Encode(text[start..end]));
            start = end;
        }
        if (ids.Exists(vocabulary.IsSpecial))
            throw new VlmException("The text contains a special token that could not be neutralized; remove it from the message.");
        return [.. ids];
    }

    // Up to and including the first character of the next special token, or to the end.
    private int EndOfPiece(string text, int start)
    {
        int end = text.Length;
        foreach (string special in vocabulary.SpecialTokens)
        {
            int found = text.IndexOf(special, start, Math.Min(text.Length, end + special.Length) - start, StringComparison.Ordinal);
            if (found >= 0 && found < end)
                end = found + 1;
        }
        return end;
    }
}
