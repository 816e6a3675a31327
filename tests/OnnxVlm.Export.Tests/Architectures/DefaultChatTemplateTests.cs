using System.Runtime.CompilerServices;
using System.Text.Json;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Prompting;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>The default templates of architectures whose checkpoints have none.</summary>
internal sealed class DefaultChatTemplateTests
{
    private static readonly ChatTemplate Neo = ChatTemplate.Parse(new DefaultChatTemplate("NeoChat").Text);
    private static readonly ChatTemplate Fuyu = ChatTemplate.Parse(new DefaultChatTemplate("Fuyu").Text);

    [Test]
    public void Neo_ConversationsOfItsAuthors_GiveTheirPrompts()
    {
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(Path.Combine(TestData(), "prompts", "neo.json")));
        List<string> wrong = [];
        foreach (JsonProperty entry in cases.RootElement.EnumerateObject())
        {
            JsonElement input = entry.Value;
            bool continues = Flag(input, "continue_final_message") == true;
            ChatTemplateOptions options = new()
            {
                AddGenerationPrompt = Flag(input, "add_generation_prompt") ?? !continues,
                ContinueFinalMessage = continues,
                Reasons = Flag(input, "enable_thinking"),
            };
            string expected = input.TryGetProperty("prompt", out JsonElement prompt) ? prompt.GetString()! : input.GetProperty("error").GetString()!, found;
            try
            {
                found = Neo.Render(input.GetProperty("messages"), input.TryGetProperty("tools", out JsonElement tools) ? tools : null, options).Text
                    .Replace("<img><IMG_CONTEXT></img>", "<image>", StringComparison.Ordinal);
            }
            catch (ChatTemplateException e)
            {
                found = e.Message;
            }
            if (found != expected)
                wrong.Add($"{entry.Name}\n  expected {expected}\n  found    {found}");
        }
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Neo_Template_UsesToolsAndReasons()
    {
        Assert.That(Neo.UsesTools, Is.True);
        Assert.That(Neo.CanReason, Is.True);
        Assert.That(Fuyu.UsesTools, Is.False);
    }

    [TestCase("""[{"role": "user", "content": "Hi"}]""", "Hi")]
    [TestCase("""[{"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "image"}, {"type": "text", "text": " is it?"}]}]""",
        "|SPEAKER|What is it?<0x04>")]
    [TestCase("""
        [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "A"}]},
         {"role": "assistant", "content": "b"}, {"role": "user", "content": "C"}]
        """, "S\n|SPEAKER|A<0x04>b\nC<0x04>")]
    [TestCase("""[{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]""", "one\ntwo\nthree")]
    public void Fuyu_TextHasNoMarkAndImagesComeFirst(string messages, string expected) =>
        Assert.That(Fuyu.Render(JsonElement.Parse(messages)).Text, Is.EqualTo(expected));

    [TestCase("""[{"role": "user", "content": " Hi\n"}]""", "<|im_start|>user\nHi<|im_end|>\n")]
    [TestCase("""[{"role": "system", "content": ""}, {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}]""",
        "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What?<|im_end|>\n")]
    [TestCase("""[{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nx\n</think>\n\nb"}, {"role": "user", "content": "c"}]""",
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n")]
    [TestCase("""
        [{"role": "user", "content": "a"},
         {"role": "assistant", "content": "b", "reasoning_content": " x ", "tool_calls": [
            {"function": {"name": "f", "arguments": {"n": [1, "ü"], "ok": true}}}, {"function": {"name": "g", "arguments": {}}}]},
         {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
        """,
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\nx\n</think>\n\nb\n\n<tool_call>\n<function=f>\n<parameter=n>\n" +
        "[1, \"ü\"]\n</parameter>\n<parameter=ok>\nTrue\n</parameter>\n</function>\n</tool_call>\n" +
        "<tool_call>\n<function=g>\n</function>\n</tool_call><|im_end|>\n"
        + "<|im_start|>user\n<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><|im_end|>\n")]
    public void Qwen_Conversation_AsItsAuthorsWriteIt(string messages, string expected)
    {
        foreach (bool thinks in new[] { false, true })
        {
            ChatTemplate template = ChatTemplate.Parse(new DefaultChatTemplate("Qwen35") { Thinks = thinks }.Text);
            foreach (bool? asked in new bool?[] { null, false, true })
            {
                string answer = asked ?? thinks ? "<|im_start|>assistant\n<think>\n" : "<|im_start|>assistant\n<think>\n\n</think>\n\n";
                Assert.That(template.Render(JsonElement.Parse(messages), null, new ChatTemplateOptions { AddGenerationPrompt = true, Reasons = asked }).Text,
                    Is.EqualTo(expected + answer));
            }
        }
    }

    [TestCase("""[{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]""", "System message must be at the beginning.")]
    [TestCase("""[{"role": "system", "content": [{"type": "image"}]}, {"role": "user", "content": "b"}]""", "System message cannot contain images.")]
    [TestCase("""[{"role": "assistant", "content": "a"}]""", "No user query found in messages.")]
    [TestCase("""[{"role": "user", "content": [{"type": "sound"}]}]""", "Unexpected item type in content.")]
    public void Qwen_WhatItsAuthorsRefuse_Refused(string messages, string expected) =>
        Assert.That(() => ChatTemplate.Parse(new DefaultChatTemplate("Qwen35").Text).Render(JsonElement.Parse(messages)),
            Throws.TypeOf<ChatTemplateException>().With.Message.Contains(expected));

    [Test]
    public void Qwen_Template_UsesToolsAndReasons()
    {
        ChatTemplate template = ChatTemplate.Parse(new DefaultChatTemplate("Qwen35").Text);
        Assert.That((template.UsesTools, template.CanReason), Is.EqualTo((true, true)));
    }

    private static string TestData([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "..", "data"));

    private static bool? Flag(JsonElement input, string name) =>
        input.TryGetProperty(name, out JsonElement value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;
}
