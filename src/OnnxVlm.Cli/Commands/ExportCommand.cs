using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using OnnxVlm.Cli.Models;
using OnnxVlm.Export;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm export</c>: a Hugging Face checkpoint becomes a model folder.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> checkpoint = new("--checkpoint") { Description = "The Hugging Face folder.", HelpName = "DIR" };
        Option<string> random = new("--random-weights")
        {
            Description = "Instead of a checkpoint: a full-size model with random weights, " +
                $"for measuring a machine: {string.Join(", ", Exporter.ShippedConfigs.Keys.Order(StringComparer.Ordinal))}, or a folder with config.json.",
            HelpName = "CONFIG",
        };
        Option<DirectoryInfo> output = new("--output") { Description = "The model folder to write.", Required = true, HelpName = "DIR" };
        Option<string> precision = new("--precision") { Description = "Storage of the weights.", DefaultValueFactory = _ => "fp32" };
        precision.AcceptOnlyFromAmong("fp32", "fp16", "int8", "int4");
        Option<int> blockSize = new("--block-size")
        {
            Description = "Weights that share a scale, for int8 and int4: 32, 64 or 128.",
            DefaultValueFactory = _ => 32,
            HelpName = "N",
        };
        Option<bool> asymmetric = new("--asymmetric") { Description = "Give each block a zero point beside its scale, for int8 and int4." };
        Option<bool> separate = new("--separate") { Description = "Keep q, k, v and gate, up as separate matrices: slower, for comparison." };
        Option<string> head = new("--head") { Description = "Storage of the head; int8 by default under int8 and int4.", HelpName = "fp32|int8|int4" };
        head.AcceptOnlyFromAmong("fp32", "int8", "int4");
        Option<string[]> int8Matrices = new("--int8-matrices")
        {
            Description = "Under int4, matrices that keep 8 bits: " +
                "each with one of these in its name, such as down_proj or layers.0. Can be given more than once.",
            HelpName = "NAME",
        };
        Option<string> device = new("--device") { Description = "The device that the graph is written for.", DefaultValueFactory = _ => "cpu" };
        device.AcceptOnlyFromAmong("cpu", "cuda", "directml");
        Option<string?> cache = new("--kv") { Description = "Storage of keys and values in the cache: fp32 is that of the activations; int8 takes a quarter of it on the CPU, and is calibrated on texts and images.", HelpName = "fp32|int8" };
        cache.AcceptOnlyFromAmong("fp32", "int8");
        Option<string?> calibration = new("--calibration") { Description = "With --kv int8: a text file, an image or a folder of these to calibrate on, in place of those that come with the exporter.", HelpName = "FILE|FOLDER" };
        Option<bool> overwrite = new("--overwrite") { Description = "Replace an earlier export in the output folder." };
        Option<bool> noTrial = SharedOptions.NoTrial();
        Command command = new("export", "Turn a Hugging Face checkpoint into a model folder.")
        {
            checkpoint, random, output, precision, blockSize, asymmetric, separate, head, int8Matrices, cache, calibration, device, overwrite, noTrial,
        };
        command.SetWork((result, cancellationToken) =>
        {
            ExportOptions options = CommandAction.CheckArguments(() => new ExportOptions
            {
                CheckpointFolder = CheckpointFolder(result.GetValue(checkpoint), result.GetValue(random)),
                RandomSeed = result.GetValue(random) is null ? null : 1,
                OutputFolder = result.GetValue(output)!.FullName,
                Precision = Enum.Parse<Precision>(result.GetValue(precision)!, ignoreCase: true),
                BlockSize = result.GetValue(blockSize),
                Asymmetric = result.GetValue(asymmetric),
                Pack = !result.GetValue(separate),
                Head = result.GetValue(head) is string chosen ? Enum.Parse<Precision>(chosen, ignoreCase: true) : null,
                Int8Matrices = result.GetValue(int8Matrices) ?? [],
                KeyValues = result.GetValue(cache) == "int8" ? Precision.Int8 : null,
                Calibration = result.GetValue(calibration) is not string path ? null : result.GetValue(cache) == "int8" ? path : throw new WrongArgumentException("--calibration is for --kv int8; give both."),
                Device = Enum.Parse<Runtime.Device>(result.GetValue(device)!, ignoreCase: true),
                Overwrite = result.GetValue(overwrite),
                Trial = result.GetValue(noTrial) ? null : TrialProcess.On(Enum.Parse<Runtime.Device>(result.GetValue(device)!, ignoreCase: true)),
            });
            Print(Export(options, cancellationToken));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static string CheckpointFolder(DirectoryInfo? checkpoint, string? random) => (checkpoint, random) switch
    {
        (DirectoryInfo folder, null) => folder.FullName,
        (null, string name) => Exporter.ShippedConfigs.TryGetValue(name, out string? shipped) ? shipped : Path.GetFullPath(name),
        _ => throw new WrongArgumentException("Give either --checkpoint or --random-weights."),
    };

    private static ExportReport Export(ExportOptions options, CancellationToken cancellationToken)
    {
        if (Console.IsOutputRedirected)
            return Exporter.Export(options, progress: null, cancellationToken);
        return AnsiConsole.Progress().AutoClear(true).Start(context =>
        {
            ProgressTask task = context.AddTask("export");
            return Exporter.Export(options, new InlineProgress<ExportProgress>(step =>
            {
                task.Description = Markup.Escape(step.Step);
                task.MaxValue = Math.Max(1, step.BytesTotal);
                task.Value = step.BytesDone;
            }), cancellationToken);
        });
    }

    private static void Print(ExportReport report)
    {
        if (report.Quantized.Count > 0)
        {
            Table table = PlainTable.Create("weight", "bits", "block", "relative error", "plain rounding, block 32", "max error");
            foreach (TensorReport tensor in report.Quantized)
            {
                table.AddRow(
                    Markup.Escape(tensor.Name), tensor.Bits.ToString(CultureInfo.InvariantCulture), tensor.BlockSize.ToString(CultureInfo.InvariantCulture),
                    tensor.RelativeError.ToString("F5", CultureInfo.InvariantCulture), tensor.PlainError?.ToString("F5", CultureInfo.InvariantCulture) ?? "",
                    tensor.MaxError.ToString("E2", CultureInfo.InvariantCulture));
            }
            PlainTable.Write(table);
            Console.Out.WriteLine();
            Table layers = PlainTable.Create("layer", "relative error", "worst matrix", "its error");
            foreach (LayerReport layer in report.Layers)
                layers.AddRow(
                    layer.Layer?.ToString(CultureInfo.InvariantCulture) ?? "outside",
                    layer.RelativeError.ToString("F5", CultureInfo.InvariantCulture), Markup.Escape(layer.Worst.Name),
                    layer.Worst.RelativeError.ToString("F5", CultureInfo.InvariantCulture));
            PlainTable.Write(layers);
        }
        PrintCaches(report.Caches);
        if (!report.HasTokenizer)
            Console.Error.WriteLine("note: the checkpoint has no tokenizer.json; the folder can be verified, and cannot be prompted");
        else if (report.ChatTemplate == TemplateOrigin.None)
            Console.Error.WriteLine(
                "note: the checkpoint has no chat template, so that the model continues plain prompts only; " +
                "put the one it was trained with into chat_template.jinja beside the checkpoint, and export again");
        else if (report.ChatTemplate == TemplateOrigin.Architecture)
            Console.Error.WriteLine(
                $"note: the chat template is OnnxVlm's own, because the checkpoint has none of {report.Architecture}'s: chat_template.jinja in the folder");
        if (report.TrialOmitted is string why)
            Console.Error.WriteLine($"note: the graph was not tried: {why}");
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Architecture}, {report.Parameters / 1e6:F1} million parameters, {report.SizeBytes / 1e6:F1} MB in {report.Elapsed.TotalSeconds:F1} s, " +
            $"peak memory {PeakWorkingSet() / 1e6:F0} MB: {report.OutputFolder}"));
    }

    private static void PrintCaches(IReadOnlyList<CacheReport> caches)
    {
        if (caches.Count == 0)
            return;
        Table table = PlainTable.Create("cache of layer", "largest key", "largest value", "relative error of the attention");
        foreach (CacheReport cache in caches)
            table.AddRow(cache.Layer.ToString(CultureInfo.InvariantCulture), cache.LargestKey.ToString("F3", CultureInfo.InvariantCulture), cache.LargestValue.ToString("F3", CultureInfo.InvariantCulture), cache.AttentionError.ToString("F5", CultureInfo.InvariantCulture));
        PlainTable.Write(table);
        Console.Out.WriteLine();
    }

    private static long PeakWorkingSet()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    // Progress<T> posts to a thread, so that a bar could still move after the work is done.
    private sealed class InlineProgress<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
