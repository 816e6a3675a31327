using System.Text;
using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>The lower case of each character by itself, as in Rust's <c>char::to_lowercase</c>: only İ becomes two characters.</summary>
internal sealed class Lowercase : INormalizer
{
    public int? MostCharactersToOne => 1;

    public AlignedText Normalize(AlignedText text)
    {
        string source = text.Text;
        AlignedTextBuilder builder = new(text, source.Length);
        Span<char> units = stackalloc char[2];
        for (int i = 0; i < source.Length;)
        {
            Rune.DecodeFromUtf16(source.AsSpan(i), out Rune rune, out int length);
            if (rune.Value == 0x130)
                builder.Write("i\u0307", i, i + length);
            else
                builder.Write(units[..ToLower(rune).EncodeToUtf16(units)], i, i + length);
            i += length;
        }
        return builder.ToText();
    }

    // Letters of Unicode 16 and 17, which not every .NET version knows.
    private static Rune ToLower(Rune rune) => rune.Value switch
    {
        0x1C89 or 0xA7CC or 0xA7CE or 0xA7D2 or 0xA7D4 or 0xA7DA => new Rune(rune.Value + 1),
        0xA7CB => new Rune(0x264),
        0xA7DC => new Rune(0x19B),
        >= 0x10D50 and <= 0x10D65 => new Rune(rune.Value + 0x20),
        >= 0x16EA0 and <= 0x16EB8 => new Rune(rune.Value + 0x1B),
        _ => Rune.ToLowerInvariant(rune),
    };
}
