namespace OnnxVlm.Tokenizers;

/// <summary>
/// GPT-2's alphabet, in which byte-level vocabularies spell bytes as visible characters: a printable Latin-1 byte is its own character, and the 68
/// other bytes are U+0100 and up, in order (openai/gpt-2, <c>src/encoder.py</c>).
/// </summary>
public static class ByteAlphabet
{
    private static readonly char[] Characters = Create();
    private static readonly short[] Bytes = Invert(Characters);

    /// <summary>The character of a byte.</summary>
    /// <param name="value">Any byte.</param>
    public static char ToChar(byte value) => Characters[value];

    /// <summary>The byte of a character.</summary>
    /// <param name="character">Any character.</param>
    /// <param name="value">The byte that it represents.</param>
    /// <returns>False for a character outside the alphabet.</returns>
    public static bool TryToByte(char character, out byte value)
    {
        int found = character < Bytes.Length ? Bytes[character] : -1;
        value = (byte)found;
        return found >= 0;
    }

    /// <summary>The bytes, spelled in the alphabet.</summary>
    /// <param name="bytes">Any bytes.</param>
    public static string ToText(ReadOnlySpan<byte> bytes)
    {
        char[] text = new char[bytes.Length];
        for (int i = 0; i < text.Length; i++)
            text[i] = Characters[bytes[i]];
        return new string(text);
    }

    /// <summary>The bytes that a text spells.</summary>
    /// <param name="text">A text.</param>
    /// <returns>Null where a character is outside the alphabet.</returns>
    public static byte[]? ToBytes(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[text.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!TryToByte(text[i], out bytes[i]))
                return null;
        }
        return bytes;
    }

    private static char[] Create()
    {
        char[] characters = new char[256];
        char next = (char)256;
        for (int value = 0; value < 256; value++)
            characters[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)value : next++;
        return characters;
    }

    private static short[] Invert(char[] characters)
    {
        short[] bytes = new short[characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++)
            bytes[characters[value]] = (short)value;
        return bytes;
    }
}
