namespace OnnxVlm.Prompting;

/// <summary>GPT-2's alphabet of bytes, in which byte-level tokenizers write their tokens: printable Latin-1 as itself, the 68 other bytes as U+0100 and up, in order.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Create();
    private static readonly Dictionary<char, byte> Values = Characters.Index().ToDictionary(entry => entry.Item, entry => (byte)entry.Index);

    /// <summary>The character that stands for a byte.</summary>
    /// <param name="value">The byte.</param>
    public static char CharacterOf(byte value) => Characters[value];

    /// <summary>The byte that a character stands for.</summary>
    /// <param name="character">The character.</param>
    /// <param name="value">The byte.</param>
    /// <returns>False where the character is none of the alphabet.</returns>
    public static bool TryGetByte(char character, out byte value) => Values.TryGetValue(character, out value);

    private static char[] Create()
    {
        char[] characters = new char[256];
        char next = (char)256;
        for (int value = 0; value < 256; value++)
            characters[value] = value is (>= '!' and <= '~') or (>= '¡' and <= '¬') or (>= '®' and <= 'ÿ') ? (char)value : next++;
        return characters;
    }
}
