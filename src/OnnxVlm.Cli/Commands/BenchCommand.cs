using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OnnxVlm.Cli.Benchmarking;
using OnnxVlm.Imaging;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm bench</c>: how fast a model is on this machine, and what it takes.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.Model();
        Option<int> prompt = new("-p", "--prompt-tokens") { Description = "Tokens of text that are read at once.", DefaultValueFactory = _ => 512, HelpName = "N" };
        Option<int> generated = new("-n", "--generated-tokens") { Description = "Tokens that are generated one by one.", DefaultValueFactory = _ => 64, HelpName = "N" };
        Option<FileInfo?> image = new("--image") { Description = "An image, for preprocessing and the time to the first token.", HelpName = "FILE" };
        Option<int> repetitions = new("-r", "--repetitions") { Description = "How often everything is measured.", DefaultValueFactory = _ => 3, HelpName = "N" };
        Option<string> device = SharedOptions.Device();
        Option<int?> imageTokens = SharedOptions.ImageTokens();
        Option<bool> json = SharedOptions.Json();
        Command command = new("bench", "Measure prefill, decoding, loading, preprocessing and memory.") { model, prompt, generated, image, repetitions, imageTokens, device, json };
        command.SetWork((result, cancellationToken) =>
        {
            DirectoryInfo folder = result.GetValue(model)!;
            FileInfo? file = result.GetValue(image);
            byte[]? encoded = file is null ? null : InputFile.ReadBytes(file.FullName, "image", new ImageLimits().MaxBytes);
            Benchmark benchmark = new(
                folder.FullName, () => SharedOptions.LoadModel(folder, result.GetValue(device)!, imageTokens: result.GetValue(imageTokens)), Positive(result.GetValue(repetitions), "-r"), step => Console.Error.WriteLine($"measuring: {step}"));
            BenchmarkResult measured = benchmark.Run(
                Positive(result.GetValue(prompt), "-p"), Positive(result.GetValue(generated), "-n"), encoded, cancellationToken);
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(measured, CliJson.Indented.BenchmarkResult));
            else
                Print(measured);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static int Positive(int value, string option) => value >= 1 ? value : throw new WrongArgumentException($"{option}: expected 1 or more, found {value}.");

    private static void Print(BenchmarkResult r)
    {
        Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{r.Model}: {r.Architecture}, {r.Parameters / 1e6:F1} million parameters, {r.Precision}"));
        Console.Out.WriteLine($"{r.Processor}, {r.Threads} threads, on {r.Device}");
        Table table = PlainTable.Create("", "median", "lowest", "highest", "");
        Row($"prefill, {r.PromptTokens} tokens", r.PrefillTokensPerSecond, "tokens/s");
        Row($"decode, {r.GeneratedTokens} tokens", r.DecodeTokensPerSecond, "tokens/s");
        Row("load, warm", r.WarmLoadMs, "ms");
        Text("load, first", Number(r.FirstLoadMs), "ms");
        if (r.Image is { } image)
        {
            Row("image: decode", image.DecodeMs, "ms");
            Row("image: resize", image.ResizeMs, "ms");
            Row("image: cut", image.CutMs, "ms");
            Row($"first token, {image.ImageTokens} image tokens", image.TimeToFirstTokenMs, "ms");
        }
        Text("peak working set", Number(r.PeakWorkingSetBytes / 1e6), "MB");
        Text("read for a token", Number(r.BytesPerToken / 1e6), "MB");
        Text("memory bandwidth", Number(r.MemoryBandwidthBytesPerSecond / 1e9), "GB/s");
        Text("decode's share of it", Number(100 * r.BandwidthShare), "%");
        PlainTable.Write(table);

        void Row(string name, Measurement m, string unit) => table.AddRow(Markup.Escape(name), Number(m.Median), Number(m.Min), Number(m.Max), unit);

        void Text(string name, string value, string unit) => table.AddRow(Markup.Escape(name), value, "", "", unit);
    }

    private static string Number(double value) => value.ToString(value < 10 ? "F2" : "F1", CultureInfo.InvariantCulture);
}
