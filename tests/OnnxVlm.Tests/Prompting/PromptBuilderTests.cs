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
    public void Encode_TextAfterImages_OnlyBetweenAnImageAndWhatFollows()
    {
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), Brackets, Tokens with { TextAfter = "\n" }, Preprocessor());

        IReadOnlyList<PromptSegment> segments = builder.Encode([Image(), Image(), new TextContent(""), new TextContent("a"), Image()]);

        Assert.That(segments.Select(Show), Is.EqualTo(new[] { "<image 2×3>", "\n", "<image 2×3>", "\na", "<image 2×3>" }));
    }

    [Test]
    public void Build_TemplateWithImages_WritesTheirPlace()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{% if p.type == 'image' %}(<|image|>){% else %}{{ p.text | trim }}{% endif %}{% endfor %}{% endif %}<|end|>{% endfor %}");
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), template, Tokens, Preprocessor());

        Prompt prompt = builder.Build([new ChatMessage(ChatRole.User, [new TextContent(" a <|image|> "), Image(), new TextContent("b")]), new ChatMessage(ChatRole.Assistant, " c")]);

        Assert.That(prompt.Segments.Select(Show), Is.EqualTo(new[] { "a <|image|>(", "<image 2×3>", ")b<|end|> c<|end|>" }));
    }

    [Test]
    public void Build_TemplateThatWritesTheImagesEnds_WritesThemOnce()
    {
        ImageTokens tokens = Tokens with { Begin = '(', End = ')' };
        foreach (string image in new[] { "(<|image|>)", "(<|image|>", "<|image|>)", "<|image|>" })
        {
            ChatTemplate template = ChatTemplate.Parse($"{{% for m in messages %}}{{% for p in m.content %}}{{{{ '{image}' if p.type == 'image' else p.text }}}}{{% endfor %}}{{% endfor %}}");
            PromptBuilder builder = new(new ByteTokenizer(Vocabulary), template, tokens, Preprocessor());

            Prompt prompt = builder.Build([new ChatMessage(ChatRole.User, [Image(), new TextContent("b"), Image()])]);

            Assert.That(prompt.Segments.Select(segment => segment.TokenIds.Length), Is.EqualTo(new[] { 8, 1, 8 }), image);
            Assert.That(prompt.ToTokenIds().Count(id => id is '(' or ')'), Is.EqualTo(4), image);
        }
    }

    [Test]
    public void Build_TemplateWithoutAPlaceForAnImage_Throws()
    {
        ChatTemplate template = ChatTemplate.Parse("{% for m in messages %}{{ m.content if m.role == 'user' }}{% endfor %}");
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), template, Tokens, Preprocessor());

        Assert.That(() => builder.Build([new ChatMessage(ChatRole.User, "u"), new ChatMessage(ChatRole.Assistant, [Image()])]), Throws.ArgumentException.With.Message.Contains("0 of the 1 images"));
    }

    [Test]
    public void Build_CallsResultsAndReasoning_ReachTheTemplate()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{{ tools | map(attribute='function.name') | join(',') if tools }}|{% for m in messages %}{{ m.role }}:{{ m.content }}{{ m.reasoning_content }}"
            + "{% for c in m.tool_calls or [] %}[{{ c.id }} {{ c.function.name }} {{ c.function.arguments | tojson }}]{% endfor %}{{ m.tool_call_id }}{{ m.name }};{% endfor %}");
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), template, Tokens, Preprocessor());
        ChatMessage[] messages =
        [
            new(ChatRole.User, "u"),
            new(ChatRole.Assistant, [new TextReasoningContent("r"), new TextContent("t"), new FunctionCallContent("1", "f", new Dictionary<string, object?> { ["a"] = 1.5, ["b"] = null }), FunctionArguments.Parse("2", "g", "{\"colou")]),
            new(ChatRole.Tool, [new FunctionResultContent("1", "one"), new FunctionResultContent("2", new Dictionary<string, object?> { ["x"] = 1 })]),
        ];

        Prompt prompt = builder.Build(messages, new PromptOptions { Tools = [AIFunctionFactory.Create(() => 1, "f"), AIFunctionFactory.Create(() => 1, "g")] });

        Assert.That(Show(prompt.Segments.Single()), Is.EqualTo(
            "f,g|user:u;assistant:tr[1 f {\"a\": 1.5, \"b\": null}][2 g \"{\\\"colou\"];tool:one1f;tool:{\"x\": 1}2g;"));
    }

    [Test]
    public void Build_TextOfArguments_NeverFailsInTheTemplate()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}{% if c.function.arguments is string %}{{ raise_exception('no text') }}{% endif %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}");
        PromptBuilder builder = new(new ByteTokenizer(Vocabulary), template, Tokens, Preprocessor());

        Prompt prompt = builder.Build([new ChatMessage(ChatRole.User, "u"), new ChatMessage(ChatRole.Assistant, [FunctionArguments.Parse("2", "g", "{\"colou")])]);

        Assert.That(Show(prompt.Segments.Single()), Is.EqualTo("u{\"arguments\": \"{\\\"colou\"}"));
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

    private static ChatTemplate Brackets { get; } = ChatTemplate.Parse("{% for m in messages %}[{{ m.role }}]{{ m.content }}<|end|>{% endfor %}");

    private static ImageTokens Tokens { get; } = new() { Placeholder = TestVocabulary.ImageId };

    private static PromptBuilder Builder() => new(new ByteTokenizer(Vocabulary), Brackets, Tokens, Preprocessor());

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

    /// <summary>Gives a black image of the size that the header says.</summary>
    private sealed class BlankDecoder : IImageDecoder
    {
        public IReadOnlyList<ImageFormat> Formats { get; } = [ImageFormat.Png];

        public void Decode(ReadOnlySpan<byte> encoded, ImageHeader header, Span<byte> rgba) => rgba.Clear();
    }
}
