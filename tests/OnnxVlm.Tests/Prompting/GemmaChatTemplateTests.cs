using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Prompting;

internal sealed class GemmaChatTemplateTests
{
    // The parts of a checkpoint's template that tell how it differs from others.
    private const string Reasoning = "{{ bos_token }}{%- if enable_thinking -%}{{- '<|turn>system\\n' -}}{{- '<|think|>\\n' -}}{%- endif -%}{{- '<turn|>\\n' -}}"
        + "{%- if add_generation_prompt -%}{{- '<|turn>model\\n' -}}{%- if not enable_thinking -%}{{- '<|channel>thought\\n<channel|>' -}}{%- endif -%}{%- endif -%}";

    private const string Plain = "{{ bos_token }}{% for message in messages %}{{ '<|turn>' + message['role'] + '\\n' + message['content'] + '<turn|>\\n' }}{% endfor %}{{ '<|turn>model\\n' }}";

    private static readonly TemplateMessage[] Messages = [new("system", "S"), new("user", "U"), new("assistant", "A"), new("user", "V")];

    [Test]
    public void Render_WithoutReasoning_ClosesTheChannel() => Assert.That(
        GemmaChatTemplate.TryParse(Reasoning, "<bos>")!.Render(Messages),
        Is.EqualTo("<bos><|turn>system\nS<turn|>\n<|turn>user\nU<turn|>\n<|turn>model\nA<turn|>\n<|turn>user\nV<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"));

    [Test]
    public void Render_WithReasoning_AsksForItInTheSystemTurn()
    {
        GemmaChatTemplate template = GemmaChatTemplate.TryParse(Reasoning, "<bos>")!;
        Assert.That(template.Render(Messages[..2], reasons: true), Is.EqualTo("<bos><|turn>system\n<|think|>\nS<turn|>\n<|turn>user\nU<turn|>\n<|turn>model\n"));
        Assert.That(template.Render(Messages[1..2], reasons: true), Is.EqualTo("<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nU<turn|>\n<|turn>model\n"));
    }

    [Test]
    public void Render_TemplateWithoutReasoning_HasNoChannelAndRefusesIt()
    {
        GemmaChatTemplate template = GemmaChatTemplate.TryParse(Plain, "<bos>")!;
        Assert.That(template.Render(Messages[1..2]), Is.EqualTo("<bos><|turn>user\nU<turn|>\n<|turn>model\n"));
        Assert.That(() => template.Render(Messages, reasons: true), Throws.ArgumentException.With.Message.Contains("cannot ask for reasoning"));
    }

    [TestCase("{% for message in messages %}{{ '<|im_start|>' + message['role'] }}{% endfor %}")]
    [TestCase("<start_of_turn>{{ message }}<end_of_turn>\\n")]
    public void TryParse_AnotherTemplate_IsNotTaken(string template) => Assert.That(GemmaChatTemplate.TryParse(template, "<bos>"), Is.Null);

    [Test]
    public void Build_TextsWithBlanks_AreTrimmedEachAndKeptFromTheTemplate()
    {
        Vocabulary vocabulary = TestVocabulary.Bytes();
        PromptBuilder builder = new(new ByteTokenizer(vocabulary), GemmaChatTemplate.TryParse(Plain, "<bos>")!, new ImageTokens { Placeholder = TestVocabulary.ImageId }, (_, _) => throw new InvalidOperationException());
        Prompt prompt = builder.Build([new ChatMessage(ChatRole.User, [new TextContent("  Hi \n"), new TextContent("\tyou ")])]);
        Assert.That(string.Concat(prompt.Segments[0].TokenIds.ToArray().Select(id => (char)id)), Is.EqualTo("<bos><|turn>user\nHiyou<turn|>\n<|turn>model\n"));
    }
}
