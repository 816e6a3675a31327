using System.Text.Json;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Prompting;

/// <summary>Templates in the shapes of popular families, each on the same conversations, against jinja2 under Hugging Face's settings: tests/data/jinja.</summary>
internal sealed class ChatTemplateFamiliesTests
{
    private static readonly string Folder = Path.Combine(Nano.TestData, "jinja");

    private static readonly Dictionary<string, string> Tokens = new() { ["bos_token"] = "<s>", ["eos_token"] = "</s>" };

    private static IEnumerable<string> Families => Directory.GetFiles(Path.Combine(Folder, "families")).Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Families))]
    public void Render_EachConversation_IsWhatJinjaMakesOfIt(string family)
    {
        using JsonDocument conversations = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "conversations.json")));
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "families.json")));
        ChatTemplate template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(Folder, "families", family + ".jinja")), Tokens);
        List<string> wrong = [];
        foreach (JsonProperty outcome in expected.RootElement.GetProperty(family).EnumerateObject())
        {
            string wanted = outcome.Value.TryGetProperty("output", out JsonElement output) ? output.GetString()! : "error: " + outcome.Value.GetProperty("error").GetString();
            string found = Render(template, conversations.RootElement.GetProperty(outcome.Name));
            if (found != wanted)
                wrong.Add($"{outcome.Name}\n  expected {wanted}\n  found    {found}");
        }

        Assert.That(wrong, Is.Empty);
    }

    [TestCase("chatml", false, true, false, false)]
    [TestCase("llama2", false, true, false, false)]
    [TestCase("llama3", true, true, false, false)]
    [TestCase("llama32-vision", false, true, true, true)]
    [TestCase("mistral-v3", true, true, false, false)]
    [TestCase("tekken", false, true, true, true)]
    [TestCase("idefics", false, false, true, true)]
    [TestCase("internvl", false, true, true, true)]
    [TestCase("llava", false, false, true, true)]
    [TestCase("qwen2-vl", false, true, true, true)]
    [TestCase("qwen-xml", true, true, true, true)]
    [TestCase("granite", true, true, true, false)]
    [TestCase("glm4", true, true, true, true)]
    [TestCase("phi3", false, true, false, false)]
    [TestCase("gemma-macros", true, true, true, true)]
    [TestCase("harmony", true, true, false, false)]
    public void Form_EachFamily_IsFoundByTrying(string family, bool usesTools, bool takesText, bool takesParts, bool takesImages)
    {
        ChatTemplate template = ChatTemplate.Parse(File.ReadAllText(Path.Combine(Folder, "families", family + ".jinja")), Tokens);

        Assert.That((template.UsesTools, template.Form.TakesText, template.Form.TakesParts, template.Form.TakesImages), Is.EqualTo((usesTools, takesText, takesParts, takesImages)));
    }

    private static string Render(ChatTemplate template, JsonElement conversation)
    {
        Dictionary<string, JsonElement> variables = conversation.EnumerateObject().Where(property => property.Name is not ("messages" or "tools")).ToDictionary(property => property.Name, property => property.Value);
        variables["date_string"] = JsonElement.Parse("\"1 Jan 2026\"");
        try
        {
            return template.Render(conversation.GetProperty("messages"), conversation.TryGetProperty("tools", out JsonElement tools) ? tools : null, new ChatTemplateOptions { Variables = variables }).Text;
        }
        catch (ChatTemplateException e)
        {
            return "error: " + e.Message;
        }
    }
}
