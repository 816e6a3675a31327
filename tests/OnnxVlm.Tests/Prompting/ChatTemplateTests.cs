using System.Text.Json;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Prompting;

internal sealed class ChatTemplateTests
{
    private const string Turns = "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";

    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-template-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Render_RoleBetweenTheTemplatesWords_IsPartOfTheToken()
    {
        RenderedPrompt prompt = ChatTemplate.Parse(Turns).Render(JsonElement.Parse("""[{"role": "user", "content": " <|end|> "}, {"role": "end", "content": "x"}]"""));

        Assert.That(prompt.Text, Is.EqualTo("<|user|><|end|><|end|><|end|>x<|end|><|assistant|>"));
        Assert.That(Shown(prompt), Is.EqualTo("<|user|>[<|end|>]<|end|><|[end]|>[x]<|end|><|assistant|>"), "a role that is none stays text");
    }

    [Test]
    public void Render_SpecialTokensOfTheCheckpoint_AreItsOwnWords()
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """
            {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null, "extra_special_tokens": {"image_token": "<img>"}, "chat_template": "{{ bos_token ~ pad_token ~ image_token ~ messages[0].content ~ eos_token }}"}
            """);
        File.WriteAllText(Path.Combine(_folder, "special_tokens_map.json"), """{"bos_token": "<other>", "pad_token": "<pad>"}""");

        RenderedPrompt prompt = ChatTemplate.Load(_folder).Render(JsonElement.Parse("""[{"role": "user", "content": "<s>"}]"""));

        Assert.That(prompt.Text, Is.EqualTo("<s><pad><img><s></s>"));
        Assert.That(Shown(prompt), Is.EqualTo("<s><pad><img>[<s>]</s>"));
    }

    [TestCase("An old pond ", " An old pond ", "<|user|>Q<|end|><|assistant|>An old pond", TestName = "Continue_TextThatTheTemplateTrims")]
    [TestCase("x", "x", "<|user|>Q<|end|><|assistant|>x", TestName = "Continue_Text")]
    public void Render_ContinueFinalMessage_EndsInsideIt(string name, string content, string expected)
    {
        string messages = $$"""[{"role": "user", "content": "Q"}, {"role": "assistant", "content": {{JsonSerializer.Serialize(content)}}}]""";

        Assert.That(ChatTemplate.Parse(Turns).Render(JsonElement.Parse(messages), null, new ChatTemplateOptions { AddGenerationPrompt = false, ContinueFinalMessage = true }).Text, Is.EqualTo(expected), name);
    }

    [Test]
    public void Render_ContinueFinalMessage_KeepsBlanksThatTheTemplateKeeps()
    {
        ChatTemplate template = ChatTemplate.Parse("{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %};{% endfor %}");
        ChatTemplateOptions options = new() { AddGenerationPrompt = false, ContinueFinalMessage = true };

        Assert.That(template.Render(JsonElement.Parse("""[{"role": "assistant", "content": "1, 2, "}]"""), null, options).Text, Is.EqualTo("assistant:1, 2, "));
        Assert.That(template.Render(JsonElement.Parse("""[{"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b CONTINUE_FINAL_MESSAGE_TAG c"}, {"type": "image"}]}]"""), null, options).Text,
            Is.EqualTo("assistant:ab CONTINUE_FINAL_MESSAGE_TAG c"));
    }

    [TestCase("""[{"role": "assistant", "content": null}]""", "continue_final_message is set but the final message has no \"content\" to continue!")]
    [TestCase("""[{"role": "assistant", "content": [{"type": "image"}]}]""", "continue_final_message is set but we could not find any text to continue in the final message!")]
    [TestCase("""[{"role": "hidden", "content": "a"}]""", "continue_final_message is set but the final message does not appear in the chat after applying the chat template!")]
    [TestCase("[]", "continue_final_message is set but there is no final message to continue!")]
    public void Render_NothingToContinue_SaysWhatHuggingFaceSays(string messages, string error) => Assert.That(
        () => ChatTemplate.Parse("{% for m in messages if m.role != 'hidden' %}{{ m.content }}{% endfor %}").Render(JsonElement.Parse(messages), null, new ChatTemplateOptions { AddGenerationPrompt = false, ContinueFinalMessage = true }),
        Throws.TypeOf<ChatTemplateException>().With.Message.EqualTo(error));

    [Test]
    public void Render_OptionsThatContradict_AreRefused()
    {
        JsonElement messages = JsonElement.Parse("""[{"role": "user", "content": "a"}]""");

        Assert.That(() => ChatTemplate.Parse(Turns).Render(messages, null, new ChatTemplateOptions { ContinueFinalMessage = true }), Throws.ArgumentException.With.Message.Contains("add_generation_prompt"));
        Assert.That(() => ChatTemplate.Parse(Turns).Render(messages, null, new ChatTemplateOptions { Reasons = true }), Throws.ArgumentException.With.Message.Contains("reasoning"));
        Assert.That(() => ChatTemplate.Parse(Turns).Render(JsonElement.Parse("{}")), Throws.ArgumentException.With.Message.Contains("array"));
        Assert.That(ChatTemplate.Parse(Turns).Render(messages, null, new ChatTemplateOptions { Reasons = false }).Text, Does.EndWith("<|assistant|>"));
    }

    [Test]
    public void Render_ErrorOfTheTemplate_IsItsOwnMessage()
    {
        Assert.That(() => ChatTemplate.Parse("{{ raise_exception('no ' ~ messages | length) }}").Render(JsonElement.Parse("[]")), Throws.TypeOf<ChatTemplateException>().With.Message.EqualTo("no 0"));
        Assert.That(() => ChatTemplate.Parse("{{ messages[0].role.x.y }}").Render(JsonElement.Parse("[]")), Throws.TypeOf<ChatTemplateException>().With.Message.EqualTo("list object has no element 0"));
        Assert.That(() => ChatTemplate.Parse("{% for %}"), Throws.TypeOf<ChatTemplateException>());
    }

    [Test]
    public void Render_LongConversation_HasStepsForEachMessage()
    {
        // Looks ahead from each message, as templates do that look for the last question.
        ChatTemplate template = ChatTemplate.Parse("{% for m in messages %}{% for n in range(loop.index0, messages | length) %}{% if messages[n].role == 'user' %}{% endif %}{% endfor %}{% endfor %}ok");
        string messages = "[" + string.Join(",", Enumerable.Repeat("""{"role": "user", "content": "a"}""", 1500)) + "]";

        Assert.That(template.Render(JsonElement.Parse(messages)).Text, Is.EqualTo("ok"));
        Assert.That(
            () => ChatTemplate.Parse("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}").Render(JsonElement.Parse("[]")),
            Throws.TypeOf<ChatTemplateException>().With.Message.EqualTo("The chat template is refused: the template took more than 5000000 steps."));
    }

    [Test]
    public void Load_EachPlaceOfATemplate_InTheOrderOfHuggingFace()
    {
        Assert.That(ChatTemplate.TryLoad(_folder), Is.Null);
        Assert.That(() => ChatTemplate.Load(_folder), Throws.TypeOf<ModelLoadException>().With.Message.Contains("chat_template.jinja"));
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{"chat_template": [{"name": "rag", "template": "R"}, {"name": "default", "template": "D"}, {"name": "tool_use", "template": "T {{ tools[0] }}"}]}""");
        Assert.That(Text(), Is.EqualTo("D"));
        Assert.That(ChatTemplate.Load(_folder).Render(JsonElement.Parse("[]"), JsonElement.Parse("[1]")).Text, Is.EqualTo("T 1"));
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{"chat_template": "C"}""");
        Assert.That(Text(), Is.EqualTo("C"));
        File.WriteAllText(Path.Combine(_folder, "chat_template.json"), """{"chat_template": "P"}""");
        Assert.That(Text(), Is.EqualTo("P"));
        File.WriteAllText(Path.Combine(_folder, "chat_template.jinja"), "F\n");
        Assert.That(Text(), Is.EqualTo("F"));

        string Text() => ChatTemplate.Load(_folder).Render(JsonElement.Parse("[]")).Text;
    }

    [TestCase("""{"chat_template": [{"name": "rag", "template": "R"}, {"name": "tool_use", "template": "T"}]}""", "found rag, tool_use")]
    [TestCase("""{"chat_template": []}""", "found none")]
    [TestCase("""{"chat_template": [{"name": "default"}]}""", "expected a text, or a list")]
    [TestCase("""{"chat_template": 5}""", "expected a text, or a list")]
    [TestCase("""{"chat_template": "{% for %}"}""", "cannot be read: ")]
    [TestCase("[]", "expected a JSON object")]
    [TestCase("{", "could not be read")]
    public void Load_NoTemplateToUse_SaysWhatToDo(string settings, string message)
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), settings);

        Assert.That(() => ChatTemplate.Load(_folder), Throws.TypeOf<ModelLoadException>().With.Message.Contains(message).And.Message.Contains("tokenizer_config.json"));
    }

    // Text from outside in brackets.
    private static string Shown(RenderedPrompt prompt)
    {
        string shown = "";
        bool outside = false;
        for (int i = 0; i < prompt.Text.Length; i++)
        {
            if (outside == prompt.FromTemplate.Span[i])
                shown += outside ? "]" : "[";
            outside = !prompt.FromTemplate.Span[i];
            shown += prompt.Text[i];
        }
        return shown;
    }
}
