using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Tests.Damage;

/// <summary>
/// Checkpoints and model folders with one damaged file: an error of one line, or success; nothing is left behind, nothing crashes or hangs. The
/// environment variables OnnxVlmDamageCount and OnnxVlmDamageSeed give the runs on demand other numbers.
/// </summary>
[TestFixture]
public sealed class DamagedCheckpointTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Files that native code parses; with a correct hash they are tried in processes of their own.</summary>
    private static readonly string[] Native = ["model.onnx", "model.onnx.data", "genai_config.json"];

    private TemporaryFolder _folder = null!;
    private string[] _checkpoints = null!;

    [OneTimeSetUp]
    public void SetUp()
    {
        _folder = new TemporaryFolder();
        new TinyModel().Write(_folder["unified"], shards: 2);
        SmallTokenizer.Write(_folder["unified"], 96, (0, "<pad>"), (1, "<end>"), (2, "<image>"), (3, "<row>"), (4, "<image-start>"), (5, "<image-end>"));
        new TinyGemma { DType = "F16" }.Write(_folder["gemma"]);
        SmallTokenizer.Write(_folder["gemma"], 96, (0, "<pad>"), (1, "<end>"), (90, "<|image>"), (91, "<image|>"), (92, "<|image|>"));
        File.WriteAllText(Path.Combine(_folder["gemma"], "generation_config.json"),
            "{\"eos_token_id\": [1], \"do_sample\": true, \"temperature\": 1.0, \"top_k\": 64, \"top_p\": 0.95, \"suppress_tokens\": [90]}");
        new TinyNeo().Write(_folder["neo"]);
        new TinyFuyu().Write(_folder["fuyu"]);
        File.WriteAllText(Path.Combine(_folder["fuyu"], "chat_template.jinja"), "{% for message in messages %}{{ message['content'] }}{% endfor %}");
        SmallTokenizer.Write(_folder["fuyu"], 96, (1, "<s>"), (2, "<end>"), (90, "|SPEAKER|"), (91, "|NEWLINE|"));
        _checkpoints = [_folder["unified"], _folder["gemma"], _folder["neo"], _folder["fuyu"]];
    }

    [OneTimeTearDown]
    public void TearDown() => _folder.Dispose();

    [Test]
    public void Export_DamagedCheckpoint_OneLineOrSuccess() => ExportAll(count: 120, seed: 1);

    [Test]
    public void Load_DamagedModelFolder_OneLineOrSuccess() => LoadAll(count: 80, seed: 1);

    [Test]
    [Explicit("minutes")]
    public void Export_ManyDamagedCheckpoints_OneLineOrSuccess() => ExportAll(Number("OnnxVlmDamageCount", 2500), Number("OnnxVlmDamageSeed", 2));

    [Test]
    [Explicit("minutes")]
    public void Load_ManyDamagedModelFolders_OneLineOrSuccess() => LoadAll(Number("OnnxVlmDamageCount", 2500), Number("OnnxVlmDamageSeed", 2));

    /// <summary>The environment variable OnnxVlmCli is the path of OnnxVlm.Cli.dll.</summary>
    [Test]
    [Explicit("starts processes")]
    public void CommandLine_DamagedFolders_OneLineOrSuccess()
    {
        int count = Number("OnnxVlmDamageCount", 100), seed = Number("OnnxVlmDamageSeed", 3);
        string program = Environment.GetEnvironmentVariable("OnnxVlmCli") ?? throw new InvalidOperationException("OnnxVlmCli is not set");
        string good = ExportGood(0);
        for (int i = 0; i < count; i++)
        {
            Random random = new((seed * 1_000_003) + i);
            bool exports = i % 2 == 0;
            string damaged = Copy(exports ? _checkpoints[random.Next(_checkpoints.Length)] : good);
            (string name, string what) = DamagedFolder.Damage(damaged, random);
            if (!exports && random.Next(4) > 0)
                Rehash(damaged, name);
            string[] arguments = exports
                ? ["export", "--checkpoint", damaged, "--output", _folder["out"]]
                : ["run", "--model", damaged, "--prompt", "the", "--max-tokens", "1", "--device", "cpu"];
            (int code, string errors) = Start(program, arguments);
            string described = $"{i}: {(exports ? "export" : "run")}, {name}, {what}: exit {code}, {errors.Trim()}";
            TestContext.Out.WriteLine(described);
            Assert.That(code, Is.EqualTo(0).Or.EqualTo(1), described);
            if (code == 1)
                Assert.That(errors.Trim(), Does.StartWith("error: ").And.Not.Contain("\n"), described);
            Clean(damaged, described, exports && code == 1);
        }
    }

    private void ExportAll(int count, int seed)
    {
        int succeeded = 0;
        for (int i = 0; i < count; i++)
        {
            Random random = new((seed * 1_000_003) + i);
            string damaged = Copy(_checkpoints[random.Next(_checkpoints.Length)]);
            (string name, string what) = DamagedFolder.Damage(damaged, random);
            string described = $"seed {seed}, case {i}: {name}, {what}";
            VlmException? exception = Try(() => Exporter.Export(new ExportOptions { CheckpointFolder = damaged, OutputFolder = _folder["out"] }), described);
            if (exception is null && Try(() => VlmModel.Load(_folder["out"]).Dispose(), described) is null)
                succeeded++;
            Clean(damaged, described, mustBeGone: exception is not null);
        }

        TestContext.Out.WriteLine($"{succeeded} of {count} exported and loaded");
    }

    private void LoadAll(int count, int seed)
    {
        string[] good = [.. Enumerable.Range(0, _checkpoints.Length).Select(ExportGood)];
        int succeeded = 0;
        for (int i = 0; i < count; i++)
        {
            Random random = new((seed * 1_000_003) + i);
            string damaged = Copy(good[random.Next(good.Length)]);
            (string name, string what) = DamagedFolder.Damage(damaged, random);
            bool rehashed = !Native.Contains(name) && random.Next(4) > 0;
            if (rehashed)
                Rehash(damaged, name);
            string described = $"seed {seed}, case {i}: {name}, {what}{(rehashed ? ", hash put right" : "")}";
            if (Try(() => VlmModel.Load(damaged).Dispose(), described) is null)
                succeeded++;
            Clean(damaged, described, mustBeGone: false);
        }

        TestContext.Out.WriteLine($"{succeeded} of {count} loaded");
    }

    /// <returns>The error, which is one line; null where there was none.</returns>
    private static VlmException? Try(Action work, string described)
    {
        var task = Task.Run(work);
        try
        {
            Assert.That(Task.WaitAny([task], Patience), Is.Zero, $"{described}: hangs");
            task.GetAwaiter().GetResult();
            return null;
        }
        catch (VlmException exception)
        {
            Assert.That(exception.Message, Is.Not.Empty.And.Not.Contain("\n"), described);
            return exception;
        }
        catch (Exception exception) when (exception is not AssertionException)
        {
            throw new AssertionException($"{described}: {exception}");
        }
    }

    private string ExportGood(int checkpoint)
    {
        string folder = _folder[$"model-{checkpoint}"];
        Exporter.Export(new ExportOptions { CheckpointFolder = _checkpoints[checkpoint], OutputFolder = folder, Overwrite = true });
        return folder;
    }

    private string Copy(string folder)
    {
        string copy = _folder["damaged"];
        Directory.CreateDirectory(copy);
        foreach (string path in Directory.GetFiles(folder))
            File.Copy(path, Path.Combine(copy, Path.GetFileName(path)));
        return copy;
    }

    private void Clean(string damaged, string described, bool mustBeGone)
    {
        if (mustBeGone)
            Assert.That(Directory.Exists(_folder["out"]), Is.False, described);
        Assert.That(Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName), Has.None.StartsWith("."), described);
        Directory.Delete(damaged, recursive: true);
        if (Directory.Exists(_folder["out"]))
            Directory.Delete(_folder["out"], recursive: true);
    }

    /// <summary>Updates the manifest with the hash of a changed file, so that the change reaches the reader of the file.</summary>
    private static void Rehash(string folder, string name)
    {
        string path = Path.Combine(folder, ModelManifest.FileName), file = Path.Combine(folder, name);
        if (name == ModelManifest.FileName || !File.Exists(file))
            return;
        JsonObject manifest = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        manifest["files"]![name] = ModelManifest.HashFile(file);
        File.WriteAllText(path, manifest.ToJsonString());
    }

    private static (int Code, string Errors) Start(string program, string[] arguments)
    {
        using Process process =
            Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            throw new AssertionException($"{string.Join(' ', arguments)}: hangs");
        }

        output.GetAwaiter().GetResult();
        return (process.ExitCode, errors.GetAwaiter().GetResult());
    }

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out int number) ? number : usual;
}
