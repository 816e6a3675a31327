using System.Globalization;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>
/// Canonical combining classes and decompositions of Unicode 9, from <c>unicode-9.txt</c>; Hugging Face's library normalizes by this version. .NET's
/// own normalization depends on the machine's ICU, and does nothing in a process that runs without one.
/// </summary>
internal static class CanonicalData
{
    // Hangul syllables are computed (Unicode Standard, section 3.12).
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int Leads = 19, Vowels = 21, Tails = 28, Syllables = Leads * Vowels * Tails;

    private const int PageBits = 8;

    // Indexed by the upper bits of a character: the classes, and whether text that contains the character may change.
    private static readonly byte[]?[] Classes = new byte[]?[0x110000 >> PageBits];
    private static readonly bool[]?[] Unstable = new bool[]?[0x110000 >> PageBits];
    private static readonly Dictionary<int, int[]> Decompositions = [];
    private static readonly Dictionary<(int, int), int> Compositions = [];

    static CanonicalData()
    {
        using Stream stream = typeof(CanonicalData).Assembly.GetManifestResourceStream("unicode-9.txt")!;
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line[0] == '#')
                continue;
            string[] words = line.Split(' ');
            if (words[0][^1] == ':')
                ReadClass(byte.Parse(words[0].AsSpan()[..^1], CultureInfo.InvariantCulture), words.AsSpan(1));
            else
                ReadDecomposition(words);
        }

        // A decomposition may contain characters that decompose themselves.
        foreach (int character in Decompositions.Keys.ToArray())
            Decompositions[character] = [.. Decompositions[character].SelectMany(DecomposeWhole)];
        for (int jamo = VowelBase; jamo < VowelBase + Vowels; jamo++)
            Set(Unstable, jamo, true);
        for (int jamo = TailBase; jamo < TailBase + Tails; jamo++)
            Set(Unstable, jamo, true);
    }

    /// <summary>The combining class; 0 for a starter.</summary>
    public static byte ClassOf(int character) => Classes[character >> PageBits]?[character & 0xFF] ?? 0;

    /// <summary>
    /// Whether NFC may change a text with this character. A text without any such character is in NFC, and can be split before any other character.
    /// </summary>
    public static bool IsUnstable(int character) => Unstable[character >> PageBits]?[character & 0xFF] ?? false;

    /// <summary>The full decomposition of a character.</summary>
    /// <param name="character">The character.</param>
    /// <param name="characters">Receives the decomposition; at least four long.</param>
    /// <returns>Its length; 1 where the character does not change.</returns>
    public static int Decompose(int character, Span<int> characters)
    {
        if (Decompositions.TryGetValue(character, out int[]? parts))
        {
            parts.CopyTo(characters);
            return parts.Length;
        }
        int syllable = character - SyllableBase;
        if (syllable is < 0 or >= Syllables)
        {
            characters[0] = character;
            return 1;
        }
        characters[0] = LeadBase + (syllable / (Vowels * Tails));
        characters[1] = VowelBase + (syllable % (Vowels * Tails) / Tails);
        characters[2] = TailBase + (syllable % Tails);
        return syllable % Tails == 0 ? 2 : 3;
    }

    /// <summary>The composition of two characters; 0 for none.</summary>
    public static int Compose(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + Leads && second is >= VowelBase and < VowelBase + Vowels)
            return SyllableBase + ((((first - LeadBase) * Vowels) + second - VowelBase) * Tails);
        if (first is >= SyllableBase and < SyllableBase + Syllables && (first - SyllableBase) % Tails == 0 && second is > TailBase and < TailBase + Tails)
            return first + second - TailBase;
        return Compositions.GetValueOrDefault((first, second));
    }

    private static void ReadClass(byte value, ReadOnlySpan<string> ranges)
    {
        foreach (string range in ranges)
        {
            int dash = range.IndexOf('-', StringComparison.Ordinal);
            int first = Hex(dash < 0 ? range : range[..dash]), last = Hex(range[(dash + 1)..]);
            for (int character = first; character <= last; character++)
            {
                Set(Classes, character, value);
                Set(Unstable, character, true);
            }
        }
    }

    private static void ReadDecomposition(string[] words)
    {
        int character = Hex(words[0]);
        int[] parts = [.. words[2..].Select(Hex)];
        Decompositions[character] = parts;
        if (words[1] == "=")
        {
            Compositions[(parts[0], parts[1])] = character;
            Set(Unstable, parts[1], true);
        }
        else
            Set(Unstable, character, true);
    }

    private static int[] DecomposeWhole(int character) =>
        Decompositions.TryGetValue(character, out int[]? parts) ? [.. parts.SelectMany(DecomposeWhole)] : [character];

    private static void Set<T>(T[]?[] pages, int character, T value) => (pages[character >> PageBits] ??= new T[1 << PageBits])[character & 0xFF] = value;

    private static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
