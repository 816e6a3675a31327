using System.Globalization;
using System.Text;
using OnnxVlm.Tokenizers.PreTokenizers;

namespace OnnxVlm.Tests.Tokenizers;

internal sealed class OnigurumaPatternTests
{
    private const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    [TestCase(PatternReader.Gpt2)]
    [TestCase(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + Tail)]
    [TestCase(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + Tail)]
    [TestCase(@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")]
    public void Translate_ExpressionOfAWellKnownTokenizer_IsMadeByTheCompiler(string expression) =>
        Assert.That(KnownPatterns.IsKnown(OnigurumaPattern.Translate(expression).Text));

    [TestCase(@"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+|\s+", "a𝒜b 𝟗1😀!", "a𝒜b, ,𝟗,1,😀!")]
    [TestCase(@"\d", "ab1😀2c", "1,2")]
    [TestCase("(?i)'s|'K", "'ſ'K'S", "'ſ,'K,'S")]
    [TestCase("(?i:[sk]+)", "sSſkKKx", "sSſkKK")]
    [TestCase(@"a?+a", "aab", "aa")]
    [TestCase(@"a++a", "aab", "")]
    [TestCase(@"\w+", "aⒶ🅐_५e\u0301\u200D-", "aⒶ🅐_५e\u0301")]
    [TestCase("^.", "a\nb\n", "a,b")]
    [TestCase(".$", "a\nb", "a,b")]
    [TestCase(@"\bx", "x xax", "x,x")]
    [TestCase("[一-龥]+", "中文𠮷x", "中文")]
    [TestCase(@"[^\x{4e00}-\x{9fff}]+", "中𠮷x", "𠮷x")]
    [TestCase("a{,2}b", "aaab", "aab")]
    [TestCase(@"[\]\-a]+", "a-]b", "a-]")]
    public void FindMatches_WholeCharacters(string expression, string text, string expected)
    {
        List<Piece> matches = [];
        PatternReader.Create(expression).FindMatches(text, matches);

        Assert.That(string.Join(',', matches.Select(match => text[match.Start..match.End])), Is.EqualTo(expected));
    }

    // Oniguruma takes no empty match where the one before it ended.
    [Test]
    public void FindMatches_EmptyOnes_AreOnigurumas()
    {
        List<Piece> matches = [];
        PatternReader.Create("a*").FindMatches("baac", matches);

        Assert.That(matches, Is.EqualTo(new[] { new Piece(0, 0), new Piece(1, 3), new Piece(4, 4) }));
    }

    [Test]
    public void StandIns_EveryCharacterOutsideThePlane_HasTheSameCategory()
    {
        BmpStandIn standIns = BmpStandIn.TryCreate(character => character is >= '\u0800' and <= '\u4E00', seesWords: false)!;
        for (int value = 0x10000; value <= 0x10FFFF; value++)
        {
            char standIn = standIns.Of(new Rune(value));
            if (CharUnicodeInfo.GetUnicodeCategory(standIn) != Rune.GetUnicodeCategory(new Rune(value)) || standIn is >= '\u0800' and <= '\u4E00')
                Assert.Fail($"U+{value:X}: found U+{(int)standIn:X4}");
        }
    }
}
