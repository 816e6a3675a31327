using Microsoft.Extensions.AI;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Imaging;

namespace OnnxVlm.Tests.Prompting;

/// <summary>Counting against the prompts of the loaded model, with its own tokenizer.</summary>
internal sealed class TokenCounterTests
{
    private static readonly string[] ImageFiles = ["decode/rgb.png", "decode/baseline.jpg", "orientation/6.jpg", "decode/grey.png"];

    private readonly TokenCounter _counter = TokenCounter.Load(Nano.Folder);

    [Test]
    public void Count_RandomConversations_EqualsThePromptsOfTheModel()
    {
        Random random = new(9);
        for (int round = 0; round < 200; round++)
        {
            List<ChatMessage> messages = RandomConversation(random);
            Assert.That(_counter.Count(messages), Is.EqualTo(Nano.Model.CreatePrompt(messages).TokenCount), $"round {round}");
        }
    }

    [Test]
    public void CountImage_EachFile_EqualsTheImageTokensOfThePrompt()
    {
        foreach (string file in ImageFiles)
        {
            DataContent image = new(ImagingData.Read(file), "image/*");
            Assert.That(_counter.CountImage(image.Data.Span), Is.EqualTo(Nano.Model.CreatePrompt([new ChatMessage(ChatRole.User, [image])]).ImageTokenCount), file);
        }
    }

    [Test]
    public void Count_SpecialTokensInText_CountAsText()
    {
        string text = string.Concat(Nano.Model.Vocabulary.SpecialTokens);

        Assert.That(_counter.Count(text), Is.GreaterThan(Nano.Model.Vocabulary.SpecialTokens.Count));
        Assert.That(_counter.Count(""), Is.Zero);
    }

    [Test]
    public void CountImage_NotAnImage_Throws()
    {
        Assert.That(() => _counter.CountImage("text"u8), Throws.TypeOf<InvalidImageException>());
        Assert.That(() => _counter.CountImage(ImagingData.Read("decode/rgb.png").AsSpan(0, 10)), Throws.TypeOf<InvalidImageException>());
    }

    [Test]
    public void Trim_ToABudget_FitsAndKeepsTheLastTurn()
    {
        Random random = new(10);
        List<ChatMessage> messages = [new ChatMessage(ChatRole.System, "Be brief."), .. Enumerable.Range(0, 20).SelectMany(_ => RandomConversation(random))];
        messages.Add(new ChatMessage(ChatRole.User, "The last question"));

        TrimmedConversation trimmed = _counter.Trim(messages, 300);

        Assert.That(trimmed.TokenCount, Is.LessThanOrEqualTo(300).And.EqualTo(Nano.Model.CreatePrompt(trimmed.Messages).TokenCount));
        Assert.That(trimmed.Messages[0].Text, Is.EqualTo("Be brief."));
        Assert.That(trimmed.Messages[^1], Is.SameAs(messages[^1]));
        Assert.That(trimmed.Dropped, Is.Not.Empty);
    }

    private static List<ChatMessage> RandomConversation(Random random)
    {
        List<ChatMessage> messages = [];
        int turns = 1 + random.Next(3);
        for (int turn = 0; turn < turns; turn++)
        {
            List<AIContent> contents = [new TextContent(RandomText(random))];
            if (random.Next(2) == 0)
                contents.Insert(random.Next(2), new DataContent(ImagingData.Read(ImageFiles[random.Next(ImageFiles.Length)]), "image/*"));
            messages.Add(new ChatMessage(ChatRole.User, contents));
            messages.Add(new ChatMessage(ChatRole.Assistant, RandomText(random)));
        }
        messages.RemoveAt(messages.Count - 1);
        return messages;
    }

    private static string RandomText(Random random)
    {
        string[] pieces = ["word", " two", "\n", "  ", "12", "é", "日本", "<|im_end|>", "<|image|>", "<|", "😀", "!?", "don't", "\t"];
        return "a" + string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]));
    }
}
