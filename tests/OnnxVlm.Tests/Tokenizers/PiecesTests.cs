using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>Compiled only where NuGet serves Microsoft.ML.Tokenizers.</summary>
internal sealed class PiecesTests
{
    [Test]
    public void PreTokenize_CharactersOutsideThePlane_AreLettersDigitsAndSigns()
    {
        RunePreTokenizer splitter = new(new Regex(@"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+|\s+"));
        const string Text = "a𝒜b 𝟗1😀!";

        IEnumerable<string> pieces = splitter.PreTokenize(Text).Select(piece => Text.Substring(piece.Offset, piece.Length));

        Assert.That(pieces, Is.EqualTo(new[] { "a𝒜b", " ", "𝟗", "1", "😀!" }));
    }

    [Test]
    public void PreTokenize_TextBetweenMatches_IsAPiece()
    {
        RunePreTokenizer splitter = new(new Regex(@"\d"));

        Assert.That(splitter.PreTokenize("ab1😀2c".AsSpan()), Is.EqualTo(new[] { (0, 2), (2, 1), (3, 2), (5, 1), (6, 1) }));
    }

    [Test]
    public void Stand_EveryCharacterOutsideThePlane_HasTheSameCategory()
    {
        for (int value = 0x10000; value <= 0x10FFFF; value++)
        {
            Rune rune = new(value);
            if (CharUnicodeInfo.GetUnicodeCategory(RunePreTokenizer.Stand(rune)) != Rune.GetUnicodeCategory(rune))
                Assert.Fail($"U+{value:X}: expected {Rune.GetUnicodeCategory(rune)}, found {CharUnicodeInfo.GetUnicodeCategory(RunePreTokenizer.Stand(rune))}");
        }
    }

    [Test]
    public void AddedTokens_Overlapping_LeftmostThenLongestWins()
    {
        AddedTokens added = new(new Dictionary<string, int> { ["<a>"] = 1, ["<a><b>"] = 2, ["b>x"] = 3 });
        const string Text = "<<a><b>x<a>y";

        Assert.That(added.Split(Text).Select(piece => (Text[piece.Range], piece.Id)), Is.EqualTo(new (string, int?)[] { ("<", null), ("<a><b>", 2), ("x", null), ("<a>", 1), ("y", null) }));
    }
}
