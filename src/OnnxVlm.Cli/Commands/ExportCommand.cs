using System.CommandLine;
using System.Globalization;
using OnnxVlm.Export;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm export</c>: a Hugging Face checkpoint becomes a model folder.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> checkpoint = new("--checkpoint") { Description = "The Hugging Face folder.", Required = true, HelpName = "DIR" };
        Option<DirectoryInfo> output = new("--output") { Description = "The model folder to write.", Required = true, HelpName = "DIR" };
        Option<string> precision = new("--precision") { Description = "Storage of the weights.", DefaultValueFactory = _ => "fp32" };
        precision.AcceptOnlyFromAmong("fp32", "fp16", "int8", "int4");
        Option<int> blockSize = new("--block-size") { Description = "Weights that share a scale, for int8 and int4: 32, 64 or 128.", DefaultValueFactory = _ => 32, HelpName = "N" };
        Option<bool> overwrite = new("--overwrite") { Description = "Replace an earlier export in the output folder." };
        Command command = new("export", "Turn a Hugging Face checkpoint into a model folder.") { checkpoint, output, precision, blockSize, overwrite };
        command.SetWork((result, cancellationToken) =>
        {
            ExportOptions options = CommandAction.CheckArguments(() => new ExportOptions
            {
                CheckpointFolder = result.GetValue(checkpoint)!.FullName,
                OutputFolder = result.GetValue(output)!.FullName,
                Precision = Enum.Parse<Precision>(result.GetValue(precision)!, ignoreCase: true),
                BlockSize = result.GetValue(blockSize),
                Overwrite = result.GetValue(overwrite),
            });
            Print(Export(options, cancellationToken));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

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
            Table table = PlainTable.Create("weight", "bits", "block", "relative error", "max error");
            foreach (TensorReport tensor in report.Quantized)
            {
                table.AddRow(Markup.Escape(tensor.Name), tensor.Bits.ToString(CultureInfo.InvariantCulture), tensor.BlockSize.ToString(CultureInfo.InvariantCulture),
                    tensor.RelativeError.ToString("F5", CultureInfo.InvariantCulture), tensor.MaxError.ToString("E2", CultureInfo.InvariantCulture));
            }
            PlainTable.Write(table);
        }
        if (!report.HasTokenizer)
            Console.Error.WriteLine("note: the checkpoint has no tokenizer.json; the folder can be verified, and cannot be prompted");
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Architecture}, {report.Parameters / 1e6:F1} million parameters, {report.SizeBytes / 1e6:F1} MB in {report.Elapsed.TotalSeconds:F1} s: {report.OutputFolder}"));
    }

    // Progress<T> posts to a thread, so that a bar could still move after the work is done.
    private sealed class InlineProgress<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
