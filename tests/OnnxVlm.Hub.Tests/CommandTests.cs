using System.Text.Json;
using OnnxVlm.Cli;
using OnnxVlm.Cli.Models;
using OnnxVlm.Hub.Tests.Support;

namespace OnnxVlm.Hub.Tests;

/// <summary>The command line, from a model's name to an answer.</summary>
[TestFixture]
[NonParallelizable]
internal sealed class CommandTests : HubFixture
{
    private const string Token = "hf_SecretOfTheCommandTests";

    protected override string Checkpoint => Path.Combine(Root, "onnx-models", "nano", "hf");

    private static string Image => Path.Combine(Root, "onnx-models", "nano", "sample.png");

    [SetUp]
    public void SetEnvironment()
    {
        Environment["HF_TOKEN"] = Token;
        foreach ((string name, string value) in Environment)
            System.Environment.SetEnvironmentVariable(name, value);
    }

    [TearDown]
    public void ClearEnvironment()
    {
        foreach (string name in Environment.Keys)
            System.Environment.SetEnvironmentVariable(name, null);
    }

    [Test]
    public async Task Run_ModelByName_PullsItAndAnswers()
    {
        (int code, string output, string error) = await RunAsync("run", "--model", Id, "--image", Image, "--prompt", "What does the text say?", "--yes", "--device", "cpu");
        Assert.That(code, Is.Zero, error);
        Assert.That(output.Trim(), Is.Not.Empty);
        Assert.That(error, Does.Contain($"{Id}:int8 @ aaaaaaa · unified_decoder · 6.4 million parameters · licence apache-2.0").And.Contains("this machine has").And.Contains("pulling 100 %"));

        int requests = Fake.Requests.Count;
        (code, string again, _) = await RunAsync("run", "--model", Id, "--image", Image, "--prompt", "What does the text say?", "--device", "cpu");
        Assert.That((code, again), Is.EqualTo((0, output)));
        Assert.That(Fake.Requests, Has.Count.EqualTo(requests));
    }

    [TestCase("run", "--prompt", "Hello")]
    [TestCase("bench")]
    [TestCase("chat")]
    [TestCase("serve")]
    public async Task AnyCommand_ModelThatIsNotHere_RefusedWithTheCommandWhereNobodyCanBeAsked(string command, params string[] more)
    {
        (int code, string output, string error) = await RunAsync([command, "--model", Id, .. more]);
        Assert.That((code, output), Is.EqualTo((1, "")));
        Assert.That(error.Trim(), Is.EqualTo($"error: {Id} is not a folder, and the model is not on this machine; get it with: onnxvlm pull {Id}, or add --yes"));
        Assert.That(Fake.Requests, Is.Empty);
    }

    [Test]
    public async Task Run_NoNameAndNoFolder_SaysBoth()
    {
        (int code, _, string error) = await RunAsync("run", "--model", "no-such-thing", "--prompt", "Hello");
        Assert.That(code, Is.EqualTo(1));
        Assert.That(error, Does.Contain("no-such-thing: there is no such model folder, and no model has this name"));
    }

    [Test]
    public async Task PullListRemove_OneModel_SayWhatTheyDo()
    {
        (int code, _, string error) = await RunAsync("pull", Id, "--precision", "int4");
        Assert.That(code, Is.Zero, error);
        (_, string list, _) = await RunAsync("list");
        Assert.That(list, Does.Contain($"{Id}:int4").And.Contains("ready"));
        (_, string json, _) = await RunAsync("list", "--json");
        JsonElement model = JsonDocument.Parse(json).RootElement.GetProperty("models")[0];
        Assert.That(model.GetProperty("folder").GetString(), Is.EqualTo(Path.Combine(Models, "someone", "Tiny-VLM", "int4")));
        (code, _, error) = await RunAsync("rm", Id);
        Assert.That((code, error.StartsWith($"removed {Id}:int4", StringComparison.Ordinal)), Is.EqualTo((0, true)));
        (code, _, error) = await RunAsync("rm", Id);
        Assert.That((code, error.Trim()), Is.EqualTo((1, $"error: {Id} is not on this machine; onnxvlm list shows what is")));
        (_, _, error) = await RunAsync("list");
        Assert.That(error, Does.Contain("get one with: onnxvlm pull gemma-4-12b"));
    }

    [Test]
    public async Task Pull_TrialFails_KeepsTheDownloadForTheNextPull()
    {
        using (ModelHub hub = new(new ModelHubOptions { Trial = _ => (_, _) => "it ended with SIGSEGV" }))
        {
            ModelLoadException? exception = await Assert.ThrowsAsync<ModelLoadException>(() => hub.PullAsync(Id));
            Assert.That(exception!.Message, Does.Contain("does not run: it ended with SIGSEGV").And.Not.Contains("\n"));
            Assert.That(hub.List().Where(model => model.State == LocalModelState.Ready), Is.Empty);
        }

        int requests = Fake.Requests.Count(request => request.Path.EndsWith("model.safetensors", StringComparison.Ordinal));
        (int code, _, string error) = await RunAsync("pull", Id, "--yes");
        Assert.That(code, Is.Zero, error);
        Assert.That(error, Does.Contain("running the graph for one token"));
        Assert.That(Fake.Requests.Count(request => request.Path.EndsWith("model.safetensors", StringComparison.Ordinal)) - requests, Is.LessThanOrEqualTo(1), "no more than the header is read again");
    }

    [Test]
    public async Task Pull_Json_PrintsEvents()
    {
        (int code, string output, _) = await RunAsync("pull", Id, "--json");
        Assert.That(code, Is.Zero);
        JsonElement[] events = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
        Assert.That(events.Select(item => item.GetProperty("event").GetString()), Is.SupersetOf(new[] { "plan", "progress", "done" }));
        JsonElement plan = events.Single(item => item.GetProperty("event").GetString() == "plan"), done = events[^1];
        Assert.That(plan.GetProperty("download_bytes").GetInt64(), Is.EqualTo(Repository.Files["model.safetensors"].Length));
        Assert.That(done.GetProperty("model").GetString(), Is.EqualTo($"{Id}:int8"));
        Assert.That(Directory.Exists(done.GetProperty("folder").GetString()), Is.True);
    }

    [TestCase("pull", "someone/else")]
    [TestCase("pull", Id + "@v7")]
    [TestCase("pull", Id, "--verify")]
    [TestCase("upgrade", "no-such-folder")]
    public async Task AnyCommand_Fails_OneLineAndExitCode1(params string[] command)
    {
        (int code, string output, string error) = await RunAsync(command);
        Assert.That((code, output), Is.EqualTo((1, "")));
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1).And.All.StartsWith("error: "));
    }

    [Test]
    public async Task Pull_NoName_IsAWrongArgument()
    {
        (int code, _, string error) = await RunAsync("pull", "nano");
        Assert.That(code, Is.EqualTo(2));
        Assert.That(error, Does.Contain("expected OWNER/NAME as on the hub, or one of gemma-4-12b"));
    }

    [TestCase(12_345_678_901, 24_000_000_000, 112_000_000.0, "pulling 51 % · 12.3 GB of 24.0 GB · 112.0 MB/s · 1 min 44 s left")]
    [TestCase(0, 24_000_000_000, null, "pulling 0 % · 0 kB of 24.0 GB")]
    [TestCase(1_000, 900_000_000_000, 1_000_000.0, "pulling 0 % · 1 kB of 900.0 GB · 1.0 MB/s · 249 h 59 min left")]
    public void Describe_Progress_IsOneLine(long done, long total, double? rate, string expected) =>
        Assert.That(PullConsole.Describe(new PullProgress(PullStage.Downloading, done, total) { BytesPerSecond = rate }), Is.EqualTo(expected));

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        TextWriter output = Console.Out, error = Console.Error;
        StringWriter newOutput = new(), newError = new();
        Console.SetOut(newOutput);
        Console.SetError(newError);
        try
        {
            int code = await Program.RunAsync(arguments);
            Assert.That(newOutput.ToString() + newError, Does.Not.Contain(Token));
            return (code, newOutput.ToString(), newError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}
