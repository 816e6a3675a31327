using System.Diagnostics;
using System.Text.Json.Nodes;
using OnnxVlm.Cli;
using OnnxVlm.Cli.Models;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>The process in which an export runs its graph for one token: however it ends, that is one line.</summary>
[NonParallelizable]
internal sealed class TrialTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-trial-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("exit 0", null)]
    [TestCase("echo warning >&2; echo 'error: the head is missing' >&2; exit 1", "the head is missing")]
    [TestCase("exit 1", "it ended with code 1")]
    [TestCase("kill -SEGV $$", "it ended with SIGSEGV")]
    [TestCase("kill -ABRT $$", "it ended with SIGABRT")]
    [TestCase("kill -KILL $$", "the system ended it (SIGKILL), probably because the memory was too small")]
    [TestCase("exit 77", "it ended with code 77")]
    [TestCase("yes | head -c 3000000 >&2; yes | head -c 3000000; exit 0", null)]
    [Platform(Exclude = "Win")]
    public void Run_AnyEnd_IsToldInAFewWords(string script, string? expected) =>
        Assert.That(TrialProcess.Run(new ProcessStartInfo("sh", ["-c", script]), TimeSpan.FromMinutes(2), CancellationToken.None), Is.EqualTo(expected));

    [Test]
    [Platform(Exclude = "Win")]
    public void Run_Hangs_IsEndedWithItsChildren()
    {
        string mark = Path.Combine(_folder, "pid");
        string? failure = TrialProcess.Run(new ProcessStartInfo("sh", ["-c", $"sleep 600 & echo $! > {mark}; wait"]), TimeSpan.FromSeconds(1.5), CancellationToken.None);
        Assert.That(failure, Is.EqualTo("one token took more than 0 minutes"));
        int child = int.Parse(File.ReadAllText(mark), System.Globalization.CultureInfo.InvariantCulture);
        Assert.That(SpinWait.SpinUntil(() => !IsRunning(child), TimeSpan.FromSeconds(30)), Is.True, "the child still runs");
    }

    [Test]
    [Platform(Exclude = "Win")]
    public void Run_Cancelled_Throws()
    {
        using CancellationTokenSource source = new(TimeSpan.FromMilliseconds(300));
        Assert.That(() => TrialProcess.Run(new ProcessStartInfo("sh", ["-c", "sleep 600"]), TimeSpan.FromMinutes(2), source.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Export_GraphThatGivesNoNumbers_FailsUnlessItIsNotTried()
    {
        string checkpoint = Path.Combine(_folder, "hf"), output = Path.Combine(_folder, "out");
        Directory.CreateDirectory(checkpoint);
        foreach (string path in Directory.GetFiles(Path.Combine(Nano.Folder, "hf")))
            File.Copy(path, Path.Combine(checkpoint, Path.GetFileName(path)));
        string weights = Path.Combine(checkpoint, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        int width = JsonNode.Parse(bytes.AsSpan(8, (int)BitConverter.ToInt64(bytes)))!["model.norm.weight"]!["dtype"]!.GetValue<string>() == "F32" ? 4 : 2;
        for (int i = bytes.Length / 2 / 4 * 4; i + 4 <= bytes.Length; i += width)
            (bytes[i + width - 2], bytes[i + width - 1]) = (0x7F, 0x7F);
        File.WriteAllBytes(weights, bytes);

        (int code, string errors) = await RunAsync("export", "--checkpoint", checkpoint, "--output", output);
        Assert.That(code, Is.EqualTo(1));
        Assert.That(errors.Trim(), Does.StartWith($"error: {checkpoint}: the graph that was made from it does not run: logit 0 is ").And.EndWith("; to keep it anyway, export without the trial (--no-trial)").And.Not.Contain("\n"));
        Assert.That(Directory.GetFileSystemEntries(_folder), Is.EqualTo(new[] { checkpoint }));

        (code, errors) = await RunAsync("export", "--checkpoint", checkpoint, "--output", output, "--no-trial");
        Assert.That((code, Directory.Exists(output)), Is.EqualTo((0, true)), errors);
    }

    private static bool IsRunning(int id)
    {
        try
        {
            using Process process = Process.GetProcessById(id);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static async Task<(int Code, string Errors)> RunAsync(params string[] arguments)
    {
        TextWriter output = Console.Out, error = Console.Error;
        StringWriter newError = new();
        Console.SetOut(TextWriter.Null);
        Console.SetError(newError);
        try
        {
            return (await Program.RunAsync(arguments), newError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }
}
