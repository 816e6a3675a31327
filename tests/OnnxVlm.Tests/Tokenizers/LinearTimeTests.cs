using System.Diagnostics;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>
/// Eight times the text takes about eight times the processor time, and not 64 times, whatever the text is made of. The machine may be busy, so that the best of several attempts counts:
/// a quadratic step fails in all of them.
/// </summary>
internal sealed class LinearTimeTests
{
    private const int Small = 50_000, Large = 400_000, Attempts = 12;

    private static readonly string[] Repeated =
    [
        "<|image|>", "<s>", "<", "\n", " ", "▁", "a", "é", "\u0301", "\u0301\u0323", "e\u0301", "ab", "日本語", "😀", "1", "'", "'s", "{\"a\":[1]},", "word ", " \n", "\r", "각\u11a8", "<0x0A>", "\0",
    ];

    [TestCase("nfc")]
    [TestCase("qwen35")]
    [TestCase("added2")]
    [TestCase("gemmaT")]
    [TestCase("uniFuyu")]
    [TestCase("uniMeta")]
    public void Encode_EightTimesTheText_TakesNotMuchMoreThanEightTimes(string name)
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load(name);
        Assert.Multiple(() =>
        {
            foreach (string piece in Repeated)
            {
                Assert.That(IsLinear(text => tokenizer.EncodeAsText(text), piece, IsSpecial(piece) ? 10 : 20), $"text of {Uri.EscapeDataString(piece)}");
                Assert.That(IsLinear(text => tokenizer.Encode(text), piece, IsSpecial(piece) ? 10 : 20), $"template of {Uri.EscapeDataString(piece)}");
            }
        });
    }

    [Test]
    public void Encode_FlagsThatChange_TakesNotMuchMoreThanEightTimes()
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load("uniFuyu");

        Assert.That(IsLinear(text => tokenizer.Encode(text, [.. text.Select((_, i) => i % 3 != 0)]), "<s>a", 20));
    }

    private static bool IsSpecial(string piece) => piece is "<|image|>" or "<s>";

    // What works in memory of several megabytes waits for it now and then: more than eight times, and far from 64.
    private static bool IsLinear(Func<string, int[]> encode, string piece, double most)
    {
        string small = Text(piece, Small), large = Text(piece, Large);
        encode(small);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double first = Seconds(() => encode(small)), second = Seconds(() => encode(large));
            if (second <= Math.Max(most * first, 0.02))
                return true;
        }
        return false;
    }

    private static string Text(string piece, int length) => string.Concat(Enumerable.Repeat(piece, (length / piece.Length) + 1));

    private static double Seconds(Action work)
    {
        long start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
