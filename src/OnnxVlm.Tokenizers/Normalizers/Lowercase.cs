using System.Text;
using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>Lowercase of each character by itself, as Rust's <c>char::to_lowercase</c>: only İ becomes two characters.</summary>
internal sealed class Lowercase : INormalizer
{
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
                builder.Write(units[..Rune.ToLowerInvariant(rune).EncodeToUtf16(units)], i, i + length);
            i += length;
        }
        return builder.ToText();
    }
}
