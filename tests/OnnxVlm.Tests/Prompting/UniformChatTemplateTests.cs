using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Prompting;

internal sealed class UniformChatTemplateTests
{
    private const string ChatMl = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private static readonly TemplateMessage[] Messages = [new("user", "  Hi\n"), new("assistant", "Yes.")];

    [TestCase(ChatMl)]
    [TestCase("{%- for message in messages -%} {{- \"<|im_start|>\" + message.role + '\\n' }}{{ message.content | trim }}{{'<|im_end|>\\n'}}\n {%- endfor %}{% if  add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{%- endif %}")]
    public void Render_FormsOfChatMl_GiveTheSame(string template) =>
        Assert.That(UniformChatTemplate.TryParse(template)?.Render(Messages), Is.EqualTo("<|im_start|>user\n  Hi\n<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>assistant\n"));

    [Test]
    public void Render_DefaultSystemMessage_StandsWhereThereIsNone()
    {
        UniformChatTemplate template = UniformChatTemplate.TryParse("{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<s>default</s>' }}{% endif %}"
            + "{{ '[' + message['role'] + ']' + message['content'] }}{% endfor %}{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}")!;

        Assert.That(template.Render(Messages[..1]), Is.EqualTo("<s>default</s>[user]  Hi\n[assistant]"));
        Assert.That(template.Render([new TemplateMessage("system", "S"), new TemplateMessage("user", "U")]), Is.EqualTo("[system]S[user]U[assistant]"));
    }

    [TestCase("")]
    [TestCase("plain text")]
    [TestCase("{{ messages[0].content }}")]
    [TestCase("{% for message in messages %}{{ message.content }}{% endfor %}")]
    [TestCase("{% for message in messages %}{{ message.role }}{% endfor %}{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{% for message in messages %}{{ message.content | upper }}{% endfor %}{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{% for message in messages %}{% if message.role == 'user' %}{{ message.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{% for message in messages %}{{ message.content }}{% endfor %}{% if add_generation_prompt %}{{ message.role }}{% endif %}")]
    [TestCase("{% for message in messages %}{{ message.content }}{% endfor %}between{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{% for message in messages %}\n{{ message.content }}{% endfor %}{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{% for message in messages %}{{ message.content }}\n  {% endfor %}{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{# a comment #}{% for message in messages %}{{ message.content }}{% endfor %}{% if add_generation_prompt %}x{% endif %}")]
    [TestCase("{% for message in messages %}{{ message.content }}{% endfor %}{% if add_generation_prompt %}x{% endif %}after")]
    public void TryParse_AnotherTemplate_IsRefused(string template) => Assert.That(UniformChatTemplate.TryParse(template), Is.Null);

    [Test]
    public void Load_AnotherTemplate_ThrowsWithWhatToDo()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, """{"chat_template": "{{ bos_token }}"}""");
            Assert.That(() => UniformChatTemplate.Load(path), Throws.TypeOf<UnsupportedModelException>().With.Message.Contains("IChatTemplate"));
            File.WriteAllText(path, "{}");
            Assert.That(() => UniformChatTemplate.Load(path), Throws.TypeOf<ModelLoadException>().With.Message.Contains("chat_template"));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
