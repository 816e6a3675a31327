using System.Text;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Prompting;

internal sealed class VocabularyTests
{
    [Test]
    public void BytesOf_ByteLevel_IsTheByte()
    {
        Vocabulary vocabulary = TestVocabulary.Bytes();

        for (int value = 0; value < 256; value++)
            Assert.That(vocabulary.BytesOf(value).ToArray(), Is.EqualTo(new[] { (byte)value }));
    }

    [Test]
    public void BytesOf_SpecialOrOutside_IsEmpty()
    {
        Vocabulary vocabulary = TestVocabulary.Bytes();

        Assert.That(vocabulary.BytesOf(TestVocabulary.EndId).Length, Is.Zero);
        Assert.That(vocabulary.BytesOf(-1).Length, Is.Zero);
        Assert.That(vocabulary.BytesOf(100_000).Length, Is.Zero);
    }

    [Test]
    public void BytesOf_SentencePiece_SpacesAndByteTokens()
    {
        Vocabulary vocabulary = TestVocabulary.Load(new
        {
            model = new { type = "BPE", byte_fallback = true, vocab = new Dictionary<string, int> { ["▁Hello"] = 0, ["<0xE2>"] = 1, ["é"] = 2 }, merges = Array.Empty<string>() },
        });

        Assert.That(Encoding.UTF8.GetString(vocabulary.BytesOf(0).Span), Is.EqualTo(" Hello"));
        Assert.That(vocabulary.BytesOf(1).ToArray(), Is.EqualTo(new byte[] { 0xE2 }));
        Assert.That(Encoding.UTF8.GetString(vocabulary.BytesOf(2).Span), Is.EqualTo("é"));
    }

    [Test]
    public void BytesOf_Unigram_IdsAreThePlacesInTheList()
    {
        Vocabulary vocabulary = TestVocabulary.Load(new { model = new { type = "Unigram", unk_id = 0, vocab = new object[] { new object[] { "<unk>", 0.0 }, new object[] { "▁a", -1.5 }, new object[] { "<0x04>", -2.0 } } } });

        Assert.That(Encoding.UTF8.GetString(vocabulary.BytesOf(1).Span), Is.EqualTo(" a"));
        Assert.That(vocabulary.BytesOf(2).ToArray(), Is.EqualTo(new byte[] { 4 }));
    }

    [Test]
    public void Load_NotATokenizer_ThrowsWithTheFile()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "{}");
            Assert.That(() => Vocabulary.Load(path), Throws.TypeOf<ModelLoadException>().With.Message.Contains(path));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
