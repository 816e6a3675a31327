using System.Diagnostics;
using System.Text.Json.Nodes;
using OnnxVlm.Export;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Exporting;

/// <summary>An export whose process is killed while it writes the weights, or whose disk is full, and the one after it.</summary>
[TestFixture]
public sealed class InterruptedExportTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Test]
    public void Export_KilledInTheMiddle_LeavesNoModelAndTheNextOneCleansUp()
    {
        string folder = Directory.CreateTempSubdirectory("onnxvlm-killed-").FullName;
        try
        {
            string config = Path.Combine(folder, "config"), output = Path.Combine(folder, "out");
            WriteConfig(config, layers: 12, hidden: 1024, vocabulary: 151936);
            using (Process export = Start("export", "--random-weights", config, "--output", output, "--precision", "int4"))
            {
                Assert.That(SpinWait.SpinUntil(() => export.HasExited || Data(folder).Length > 0, Patience), Is.True);
                Assert.That(export.HasExited, Is.False, "the export was over before it could be killed");
                export.Kill();
                export.WaitForExit();
            }
            Assert.That(Directory.Exists(output), Is.False);
            Assert.That(Data(folder), Has.Length.EqualTo(1), "what the killed process left");

            WriteConfig(config, layers: 1, hidden: 64, vocabulary: 151936);
            Exporter.Export(new ExportOptions { CheckpointFolder = config, OutputFolder = output, RandomSeed = 1, Precision = Precision.Int4 });
            ModelManifest.Load(output).VerifyFiles(output);
            Assert.That(Data(folder), Is.Empty);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The largest size of a file stands for the disk's: it needs no rights of an administrator, and fails in the same calls.</summary>
    [Test]
    public void Export_DiskFull_SaysSoAndLeavesNothing()
    {
        string folder = Directory.CreateTempSubdirectory("onnxvlm-full-").FullName;
        try
        {
            string config = Path.Combine(folder, "config"), output = Path.Combine(folder, "out");
            WriteConfig(config, layers: 1, hidden: 256, vocabulary: 151936);
            string[] export = ["dotnet", Path.Combine(AppContext.BaseDirectory, "OnnxVlm.Cli.dll"), "export", "--random-weights", config, "--output", output, "--precision", "int8"];
            // In blocks of 512 bytes: 4 MiB. The runtime's doubly mapped code would be such a file, too.
            ProcessStartInfo start = new("sh", ["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$@\"", "sh", .. export]) { RedirectStandardError = true };
            start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
            using Process process = Process.Start(start)!;
            string errors = process.StandardError.ReadToEnd();
            process.WaitForExit();

            Assert.That(process.ExitCode, Is.EqualTo(1), errors);
            Assert.That(errors.Trim().Split('\n')[^1], Does.Contain($"{output}: cannot be written").And.Contain("the weights need"));
            Assert.That(Directory.GetFileSystemEntries(folder), Is.EqualTo(new[] { config }));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string[] Data(string folder) =>
        [.. Directory.EnumerateDirectories(folder, ".out.onnxvlm-export-*").Select(path => Path.Combine(path, "model.onnx.data")).Where(File.Exists)];

    private static Process Start(params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "OnnxVlm.Cli.dll"), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        return Process.Start(start)!;
    }

    private static void WriteConfig(string folder, int layers, int hidden, int vocabulary)
    {
        Directory.CreateDirectory(folder);
        foreach (string path in Directory.GetFiles(Exporter.ShippedConfigs["unified-decoder-9b"]))
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)), overwrite: true);
        string file = Path.Combine(folder, "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        config["num_hidden_layers"] = layers;
        config["hidden_size"] = hidden;
        config["intermediate_size"] = 3 * hidden;
        config["num_attention_heads"] = hidden / 32;
        config["num_key_value_heads"] = 1;
        config["head_dim"] = 32;
        config["vocab_size"] = vocabulary;
        config["max_position_embeddings"] = 256;
        File.WriteAllText(file, config.ToJsonString());
    }
}
