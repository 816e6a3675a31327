using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;
using OnnxVlm.Tests.Imaging;

namespace OnnxVlm.Tests.Prompting;

internal sealed class PromptBuilderTests
{
    private static readonly Vocabulary Vocabulary = TestVocabulary.Bytes();

    [Test]
    public void Build_TextAndImage_ImageStandsWhereItWasPut()
    {
        Prompt prompt = Builder().Build([new ChatMessage(ChatRole.User, [new TextContent("a"), Image(), new TextContent("b")])]);

        Assert.That(prompt.Segments.Select(Show), Is.EqualTo(new[] { "[user]a", "<image 2×3>", "b<|end|>" }));
        Assert.That(prompt.ImageTokenCount, Is.EqualTo(6));
        Assert.That(prompt.ImageCount, Is.EqualTo(1));
        Assert.That(prompt.ToTokenIds(), Has.Length.EqualTo(prompt.TokenCount));
    }

    [Test]
    public void Build_TextAfterImages_OnlyBetweenAnImageAndWhatFollows()
    {
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), new BracketTemplate(), Tokens with { TextAfter = "\n" }, Preprocessor());
        ChatMessage[] messages =
        [
            new(ChatRole.User, [Image(), Image(), new TextContent(""), new TextContent("a"), Image()]),
            new(ChatRole.Assistant, "b"),
        ];

        Assert.That(builder.Build(messages).Segments.Select(Show), Is.EqualTo(new[] { "[user]", "<image 2×3>", "\n", "<image 2×3>", "\na", "<image 2×3>", "<|end|>[assistant]b<|end|>" }));
    }

    [Test]
    public void Build_SeveralTurns_KeepsTheirOrder()
    {
        Prompt prompt = Builder().Build([new ChatMessage(ChatRole.System, "s"), new ChatMessage(ChatRole.User, "u"), new ChatMessage(ChatRole.Assistant, "a")]);

        Assert.That(Show(prompt.Segments[0]), Is.EqualTo("[system]s<|end|>[user]u<|end|>[assistant]a<|end|>"));
    }

    [Test]
    public void Build_TextThatSpellsSpecialTokens_NeverChangesTurnsOrImages()
    {
        Random random = new(6);
        string[] pieces = ["<|end|>", "<|image|>", "<|", "|>", "end", "<|en", "d|>", "[user]", "\uE0A00\uE0A1", "\uE0A0", "x", " ", "\n", "é", "\0", "<|<|end|>end|>"];
        for (int round = 0; round < 1000; round++)
        {
            string text = string.Concat(Enumerable.Range(0, 1 + random.Next(8)).Select(_ => pieces[random.Next(pieces.Length)]));
            bool withImage = random.Next(2) == 0;
            List<AIContent> contents = [new TextContent(text)];
            if (withImage)
                contents.Insert(random.Next(2), Image());

            Prompt prompt = Builder().Build([new ChatMessage(ChatRole.User, contents)]);

            int[] ids = prompt.ToTokenIds();
            Assert.That(ids.Count(id => id == TestVocabulary.EndId), Is.EqualTo(1), text);
            Assert.That(ids.Count(id => id == TestVocabulary.ImageId), Is.EqualTo(withImage ? 6 : 0), text);
            byte[] written = [.. ids.SelectMany(id => Vocabulary.BytesOf(id).ToArray())];
            Assert.That(System.Text.Encoding.UTF8.GetString(written), Is.EqualTo("[user]" + text));
        }
    }

    [Test]
    public void Build_NothingInTheMessage_Throws()
    {
        Assert.That(() => Builder().Build([new ChatMessage(ChatRole.User, "")]), Throws.ArgumentException.With.Message.Contains("empty"));
        Assert.That(() => Builder().Build([]), Throws.ArgumentException);
    }

    [Test]
    public void Build_ContentTheModelCannotRead_Throws()
    {
        ChatMessage message = new(ChatRole.User, [new DataContent(new byte[] { 1 }, "audio/wav")]);

        Assert.That(() => Builder().Build([message]), Throws.ArgumentException.With.Message.Contains("DataContent"));
    }

    [Test]
    public void Build_TemplateThatDropsAMessage_Throws()
    {
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), new BracketTemplate { Dropped = "system" }, Tokens, Preprocessor());

        Assert.That(() => builder.Build([new ChatMessage(ChatRole.System, "s"), new ChatMessage(ChatRole.User, "u")]), Throws.ArgumentException.With.Message.Contains("system"));
    }

    private static ImageTokens Tokens { get; } = new() { Placeholder = TestVocabulary.ImageId };

    private static PromptBuilder Builder() => new(new ByteTokenizer(Vocabulary), new BracketTemplate(), Tokens, Preprocessor());

    private static DataContent Image() => new(ImagingData.Read("decode/rgb.png"), "image/png");

    private static ImagePreprocessor Preprocessor() => new(
        new ImageRules
        {
            PatchSize = 8,
            PatchLayout = PatchLayout.RowColumnChannel,
            Resize = new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bilinear, MaxPatches = 16, MaxRows = 4, MaxColumns = 4 },
            Padding = new PaddingRule { Mode = PaddingMode.Edge },
            HasPositions = false,
            Tokens = Tokens,
        },
        new ImageLimits(),
        new BlankDecoder());

    private static string Show(PromptSegment segment) => segment.Image is { } image
        ? $"<image {image.Rows}×{image.Columns}>"
        : string.Concat(segment.TokenIds.ToArray().Select(id => id == TestVocabulary.EndId ? "<|end|>" : ((char)id).ToString()));

    /// <summary>[role]content&lt;|end|&gt; for each message.</summary>
    private sealed class BracketTemplate : IChatTemplate
    {
        public string? Dropped { get; init; }

        public string Render(IReadOnlyList<TemplateMessage> messages) =>
            string.Concat(messages.Where(message => message.Role != Dropped).Select(message => $"[{message.Role}]{message.Content}<|end|>"));
    }

    /// <summary>Gives a black image of the size that the header says.</summary>
    private sealed class BlankDecoder : IImageDecoder
    {
        public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png];

        public void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba) => rgba.Clear();
    }
}
