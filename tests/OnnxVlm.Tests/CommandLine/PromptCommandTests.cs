using System.Text.Json;

namespace OnnxVlm.Tests.CommandLine;

/// <summary><c>onnxvlm prompt</c> in process, on the shipped model.</summary>
[NonParallelizable]
internal sealed class PromptCommandTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-prompt-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Prompt_TextAndImage_IsTheTextWithTheImagesPlaceholders()
    {
        File.Copy(Nano.SampleImage, Path.Combine(_folder, "a.png"));
        string uri = "data:image/png;base64," + Convert.ToBase64String(File.ReadAllBytes(Nano.SampleImage));
        string messages = $$$"""
            [{"role": "system", "content": "S <|im_end|>"},
             {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{{uri}}}"}}, {"type": "text", "text": "What?"}, {"type": "image", "path": "a.png"}]}]
            """;

        (int code, string output, _) = await RunAsync(messages, "--json");

        Assert.That(code, Is.Zero);
        using JsonDocument json = JsonDocument.Parse(output);
        string prompt = json.RootElement.GetProperty("prompt").GetString()!, image = "<|image_start|>";
        int tokens = json.RootElement.GetProperty("token_count").GetInt32();
        Assert.That(prompt, Does.StartWith("<|im_start|>system\nS <|im_end|><|im_end|>\n<|im_start|>user\n<|image_start|><|image|><|image|>").And.EndWith("<|image_end|><|im_end|>\n<|im_start|>assistant\n"));
        Assert.That(prompt.Split(image), Has.Length.EqualTo(3));
        Microsoft.Extensions.AI.ChatMessage[] same =
        [
            new(Microsoft.Extensions.AI.ChatRole.System, "S <|im_end|>"),
            new(Microsoft.Extensions.AI.ChatRole.User, [Picture(), new Microsoft.Extensions.AI.TextContent("What?"), Picture()]),
        ];
        Assert.That(tokens, Is.EqualTo(Nano.Model.CreatePrompt(same).TokenCount));

        static Microsoft.Extensions.AI.DataContent Picture() => new(File.ReadAllBytes(Nano.SampleImage), "image/png");
    }

    [Test]
    public async Task Prompt_WithoutJson_PrintsTheText()
    {
        (int code, string output, string error) = await RunAsync("""[{"role": "user", "content": "Hi"}]""");

        Assert.That(code, Is.Zero);
        Assert.That(output, Is.EqualTo("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n\n"));
        Assert.That(error, Does.Match("^[0-9]+ tokens\n$"));
    }

    [TestCase("add_generation_prompt=false", "<|im_start|>user\nHi<|im_end|>\n")]
    [TestCase("messages=[]", "<|im_start|>assistant\n")]
    [TestCase("nobody_reads=this is text", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")]
    public async Task Prompt_Set_GivesTheTemplateAVariable(string variable, string expected)
    {
        (int code, string output, _) = await RunAsync("""[{"role": "user", "content": "Hi"}]""", "--set", variable, "--json");

        Assert.That(code, Is.Zero);
        Assert.That(JsonElement.Parse(output).GetProperty("prompt").GetString(), Is.EqualTo(expected));
    }

    [TestCase("=1")]
    [TestCase("name")]
    public async Task Prompt_SetWithoutANameOrAValue_IsAWrongArgument(string variable)
    {
        (int code, _, string error) = await RunAsync("""[{"role": "user", "content": "Hi"}]""", "--set", variable);

        Assert.That((code, error.Trim()), Is.EqualTo((2, $"error: --set: expected NAME=VALUE, found {variable}.")));
    }

    [Test]
    public async Task Prompt_Continue_EndsInsideTheLastMessage()
    {
        (_, string output, _) = await RunAsync("""[{"role": "user", "content": "Count."}, {"role": "assistant", "content": "1, 2, "}]""", "--continue", "--json");

        Assert.That(JsonElement.Parse(output).GetProperty("prompt").GetString(), Does.EndWith("<|im_start|>assistant\n1, 2, "));
    }

    [TestCase("""[{"role": "user", "content": null}]""", "can only concatenate str (not \"NoneType\") to str")]
    [TestCase("""{"role": "user"}""", "expected a JSON array")]
    [TestCase("[", "not valid JSON")]
    [TestCase("""[{"role": "user", "content": [{"type": "image", "path": "missing.png"}]}]""", "missing.png does not exist")]
    [TestCase("""[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://localhost/a.png"}}]}]""", "Nothing is fetched")]
    public async Task Prompt_Error_IsOneLineAndExitCodeOne(string messages, string message)
    {
        (int code, string output, string error) = await RunAsync(messages, "--json");

        Assert.That(code, Is.EqualTo(1));
        Assert.That(output, Is.Empty);
        Assert.That(error, Does.Contain(message));
        Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
    }

    [Test]
    public async Task Prompt_ReasonAndNoReason_AreWrongArguments()
    {
        const string Messages = """[{"role": "user", "content": "Hi"}]""";

        Assert.That((await RunAsync(Messages, "--reason", "--no-reason")).Code, Is.EqualTo(2));
        Assert.That((await RunAsync(Messages, "--reason")).Code, Is.EqualTo(1), "the shipped model's template knows no reasoning");
        Assert.That((await RunAsync(Messages, "--no-reason")).Code, Is.Zero);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(string messages, params string[] more)
    {
        string path = Path.Combine(_folder, "messages.json");
        await File.WriteAllTextAsync(path, messages);
        TextWriter output = Console.Out, error = Console.Error;
        using StringWriter written = new() { NewLine = "\n" }, told = new() { NewLine = "\n" };
        Console.SetOut(written);
        Console.SetError(told);
        try
        {
            int code = await Cli.Program.RunAsync(["prompt", "--model", Nano.Folder, "--messages", path, .. more]);
            return (code, written.ToString(), told.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}
