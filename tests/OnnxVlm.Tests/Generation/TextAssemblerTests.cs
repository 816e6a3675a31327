using System.Text;
using OnnxVlm.Generation;

namespace OnnxVlm.Tests.Generation;

internal sealed class TextAssemblerTests
{
    [Test]
    public void Add_CharacterOverTwoTokens_WaitsForTheWholeCharacter()
    {
        TextAssembler text = new([]);
        byte[] euro = Encoding.UTF8.GetBytes("€");

        Assert.That(text.Add(euro.AsSpan(0, 2)), Is.Empty);
        Assert.That(text.Add(euro.AsSpan(2)), Is.EqualTo("€"));
    }

    [Test]
    public void Finish_IncompleteCharacter_BecomesReplacementCharacter()
    {
        TextAssembler text = new([]);
        text.Add(Encoding.UTF8.GetBytes("€").AsSpan(0, 2));

        Assert.That(text.Finish(), Is.EqualTo("\uFFFD"));
    }

    [Test]
    public void Add_BeginningOfStopSequence_IsHeldBackUntilDecided()
    {
        TextAssembler text = new(["STOP"]);

        Assert.That(text.Add("a S"u8), Is.EqualTo("a "));
        Assert.That(text.Add("TO"u8), Is.Empty);
        Assert.That(text.Add("W"u8), Is.EqualTo("STOW"));
        Assert.That(text.IsStopped, Is.False);
    }

    [Test]
    public void Add_StopSequenceOverTokens_EndsBeforeIt()
    {
        TextAssembler text = new(["STOP", "END"]);

        string all = text.Add("one EN"u8) + text.Add("D two STOP"u8) + text.Add("three"u8) + text.Finish();

        Assert.That(all, Is.EqualTo("one "));
        Assert.That(text.IsStopped, Is.True);
    }

    [Test]
    public void Finish_TextThatDidNotBecomeAStopSequence_IsReleased()
    {
        TextAssembler text = new(["\n\n"]);
        text.Add("x\n"u8);

        Assert.That(text.Finish(), Is.EqualTo("\n"));
    }

    [Test]
    public void Add_RandomCuts_SameTextAsInOnePiece()
    {
        Random random = new(1);
        string[] stops = ["ab", "bca", "aab"];
        for (int round = 0; round < 2000; round++)
        {
            string source = new([.. Enumerable.Range(0, random.Next(12)).Select(_ => "abcdé"[random.Next(5)])]);
            byte[] bytes = Encoding.UTF8.GetBytes(source);
            TextAssembler text = new(stops);
            StringBuilder found = new();
            for (int start = 0; start < bytes.Length;)
            {
                int length = Math.Min(1 + random.Next(3), bytes.Length - start);
                found.Append(text.Add(bytes.AsSpan(start, length)));
                start += length;
            }
            found.Append(text.Finish());

            // What may be shown is the text before the stop that ends first; with one that ends there, before its beginning.
            int end = Enumerable.Range(0, source.Length + 1).FirstOrDefault(n => stops.Any(stop => source[..n].Contains(stop, StringComparison.Ordinal)), -1);
            string[] possible = end < 0 ? [source] : [.. stops.Select(stop => source.IndexOf(stop, StringComparison.Ordinal)).Where(i => i >= 0).Select(i => source[..i])];
            Assert.That(possible, Does.Contain(found.ToString()), source);
            Assert.That(text.IsStopped, Is.EqualTo(end >= 0), source);
        }
    }
}
