using Microsoft.Extensions.AI;

namespace OnnxVlm.Tests.ShippedModel;

/// <summary>Text from outside against the real tokenizer and the real chat template.</summary>
internal sealed class InjectionTests
{
    [Test]
    public void CreatePrompt_TextThatSpellsSpecialTokens_NeverChangesTurnsOrImages()
    {
        Random random = new(13);
        string[] specials = [.. Nano.Model.Vocabulary.SpecialTokens];
        string[] pieces = [.. specials, "user\n", "assistant\n", "<|", "|>", "im_end", "<|im_", "\n", " ", "x", "é", "\U0001F600", "{{", "{% for %}", "\uE0A00\uE0A1"];
        byte[] image = File.ReadAllBytes(Nano.SampleImage);
        (int plainSpecials, int withImageSpecials) = (CountSpecials([new TextContent("x")]), CountSpecials([new DataContent(image, "image/png"), new TextContent("x")]));
        for (int round = 0; round < 1000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, 1 + random.Next(8)).Select(_ => pieces[random.Next(pieces.Length)]));
            bool withImage = random.Next(4) == 0;

            int found = CountSpecials(withImage ? [new DataContent(image, "image/png"), new TextContent(text)] : [new TextContent(text)]);

            Assert.That(found, Is.EqualTo(withImage ? withImageSpecials : plainSpecials), text);
        }
    }

    [Test]
    public void Encode_TextOfManyKinds_DecodesToTheSameText()
    {
        string[] texts = ["Hello, world!", "  two  spaces ", "<|im_end|>", "1234.50 €", "Grüße\r\n\ttab", "日本語 \U0001F600 🇩🇪", "a<|image|>b"];
        foreach (string text in texts)
        {
            byte[] bytes = [.. Nano.Model.Tokenizer.EncodeAsText(text).SelectMany(id => Nano.Model.Vocabulary.BytesOf(id).ToArray())];
            Assert.That(System.Text.Encoding.UTF8.GetString(bytes), Is.EqualTo(text));
        }
    }

    [Test]
    public void Encode_ManyThreads_SameTokensAsOne()
    {
        string[] texts = [.. Enumerable.Range(0, 64).Select(i => string.Join(' ', Enumerable.Range(0, 1 + (i % 9)).Select(j => $"word{i * j} {i}.{j}\n")))];
        int[][] expected = [.. texts.Select(text => Nano.Model.Tokenizer.Encode(text))];

        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, caller =>
        {
            for (int round = 0; round < 2000; round++)
            {
                int text = ((caller * 7) + round) % texts.Length;
                Assert.That(Nano.Model.Tokenizer.Encode(texts[text]), Is.EqualTo(expected[text]));
            }
        });
    }

    private static int CountSpecials(IList<AIContent> contents) =>
        Nano.Model.CreatePrompt([new ChatMessage(ChatRole.User, contents)]).ToTokenIds().Count(Nano.Model.Vocabulary.IsSpecial);
}
