using System.Runtime.CompilerServices;
using System.Text.Json;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Prompting;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>The templates that stand beside architectures whose checkpoints bring none.</summary>
internal sealed class DefaultChatTemplateTests
{
    private static readonly ChatTemplate Neo = ChatTemplate.Parse(new DefaultChatTemplate("NeoChat").Text), Fuyu = ChatTemplate.Parse(new DefaultChatTemplate("Fuyu").Text);

    [Test]
    public void Neo_ConversationsOfItsAuthors_GiveTheirPrompts()
    {
        using JsonDocument cases = JsonDocument.Parse(File.ReadAllText(Path.Combine(TestData(), "prompts", "neo.json")));
        List<string> wrong = [];
        foreach (JsonProperty entry in cases.RootElement.EnumerateObject())
        {
            JsonElement input = entry.Value;
            bool continues = Flag(input, "continue_final_message") == true;
            ChatTemplateOptions options = new() { AddGenerationPrompt = Flag(input, "add_generation_prompt") ?? !continues, ContinueFinalMessage = continues, Reasons = Flag(input, "enable_thinking") };
            string expected = input.TryGetProperty("prompt", out JsonElement prompt) ? prompt.GetString()! : input.GetProperty("error").GetString()!, found;
            try
            {
                found = Neo.Render(input.GetProperty("messages"), input.TryGetProperty("tools", out JsonElement tools) ? tools : null, options).Text.Replace("<img><IMG_CONTEXT></img>", "<image>", StringComparison.Ordinal);
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
    [TestCase("""[{"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "image"}, {"type": "text", "text": " is it?"}]}]""", "|SPEAKER|What is it?<0x04>")]
    [TestCase("""[{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "A"}]}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "C"}]""", "S\n|SPEAKER|A<0x04>b\nC<0x04>")]
    [TestCase("""[{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]""", "one\ntwo\nthree")]
    public void Fuyu_TextHasNoMarkAndImagesComeFirst(string messages, string expected) =>
        Assert.That(Fuyu.Render(JsonElement.Parse(messages)).Text, Is.EqualTo(expected));

    private static string TestData([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "..", "data"));

    private static bool? Flag(JsonElement input, string name) => input.TryGetProperty(name, out JsonElement value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;
}
