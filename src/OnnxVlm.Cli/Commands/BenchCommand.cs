using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using OnnxVlm.Cli.Models;
using OnnxVlm.Evaluation.Benchmarking;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm bench</c>: the speed of a model on this machine, and the resources it needs.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.NamedModel();
        Option<bool> yes = SharedOptions.Yes();
        Option<int> prompt = new("-p", "--prompt-tokens")
        {
            Description = "Tokens of text that are read at once.",
            DefaultValueFactory = _ => 512,
            HelpName = "N",
        };
        Option<int> generated = new("-n", "--generated-tokens")
        {
            Description = "Tokens that are generated one by one.",
            DefaultValueFactory = _ => 64,
            HelpName = "N",
        };
        Option<FileInfo?> image = new("--image") { Description = "An image, for preprocessing and the time to the first token.", HelpName = "FILE" };
        Option<int> repetitions = new("-r", "--repetitions")
        {
            Description = "Repetitions of each measurement.",
            DefaultValueFactory = _ => 3,
            HelpName = "N",
        };
        Option<string?> parallel = new("--parallel")
        {
            Description = "Measure several requests at the same time instead: numbers of streams, such as 1,2,4,8,16.",
            HelpName = "N,N,…",
        };
        Option<int?> requests = new("--requests") { Description = "With --parallel: requests in all. Default: as many as streams.", HelpName = "N" };
        Option<int?> longContext = new("--context") { Description = "Measure the end of a sequence of N tokens instead: the cache is filled with random numbers, the last -p tokens are read and -n generated. On the CPU.", HelpName = "N" };
        Option<bool> real = new("--real") { Description = "With --context: read all of the prompt, and fill nothing." };
        Option<string> device = SharedOptions.Device();
        Option<string> runner = SharedOptions.Runner();
        Option<int?> imageTokens = SharedOptions.ImageTokens();
        Option<bool> json = SharedOptions.Json();
        Command command = new("bench", "Measure prefill, decoding, loading, preprocessing and memory.")
        {
            model, prompt, generated, image, repetitions, parallel, requests, longContext, real, imageTokens, device, runner, yes, json,
        };
        command.SetWork(async (result, cancellationToken) =>
        {
            DirectoryInfo folder = await ModelLocator.LocateAsync(
                result.GetValue(model)!, result.GetValue(device)!, result.GetValue(yes), cancellationToken).ConfigureAwait(false);
            FileInfo? file = result.GetValue(image);
            byte[]? encoded = file is null ? null : InputFile.ReadBytes(file.FullName, "image", new ImageLimits().MaxBytes);
            if (result.GetValue(real) && result.GetValue(longContext) is null)
                throw new WrongArgumentException("--real is for --context N; give both.");
            if (result.GetValue(longContext) is int end)
            {
                int read = Positive(result.GetValue(prompt), "-p"), more = Positive(result.GetValue(generated), "-n"), most = ModelManifest.Load(folder.FullName).ContextLength;
                if (end <= read + more || end > most)
                    throw new WrongArgumentException($"--context: expected {read + more + 1} (-p and -n together, and one more) to {most} (the model's context), found {end}.");
                if (encoded is not null || result.GetValue(parallel) is not null)
                    throw new WrongArgumentException("--context measures one sequence of text; leave out --image and --parallel.");
                if (result.GetValue(runner) == "genai" || result.GetValue(device) is not ("auto" or "cpu"))
                    throw new WrongArgumentException("--context runs on the CPU with the runner ort; leave out --device and --runner.");
                using VlmModel loaded = SharedOptions.LoadModel(folder, "cpu", runner: "ort");
                ContextResult found = new ContextBenchmark(loaded, step => Console.Error.WriteLine($"measuring: {step}")).Run(end, read, more, result.GetValue(real), cancellationToken);
                if (result.GetValue(json))
                    Console.Out.WriteLine(JsonSerializer.Serialize(found, CliJson.Indented.ContextResult));
                else
                    Print(found);
                return ExitCode.Done;
            }
            if (result.GetValue(parallel) is { } streams)
            {
                using VlmModel loaded = SharedOptions.LoadModel(
                    folder, result.GetValue(device)!, imageTokens: result.GetValue(imageTokens), runner: result.GetValue(runner)!);
                ParallelBenchmark measurement = new(
                    loaded, Positive(result.GetValue(repetitions), "-r"), step => Console.Error.WriteLine($"measuring: {step}"));
                IReadOnlyList<ParallelResult> rows = await measurement.RunAsync(
                    ReadStreams(streams), result.GetValue(requests) is int all ? Positive(all, "--requests") : null,
                    Positive(result.GetValue(prompt), "-p"), AtLeastTwo(result.GetValue(generated)),
                    encoded, cancellationToken).ConfigureAwait(false);
                string ranOn = loaded.Device.ToString().ToLowerInvariant(), ranBy = loaded.Runner.ToString().ToLowerInvariant();
                ParallelReport report = new(folder.Name, ranOn, ranBy, Environment.ProcessorCount, rows);
                if (result.GetValue(json))
                    Console.Out.WriteLine(JsonSerializer.Serialize(report, CliJson.Indented.ParallelReport));
                else
                    Print(rows);
                return ExitCode.Done;
            }
            Benchmark benchmark = new(
                folder.FullName,
                () => SharedOptions.LoadModel(folder, result.GetValue(device)!, imageTokens: result.GetValue(imageTokens), runner: result.GetValue(runner)!),
                Positive(result.GetValue(repetitions), "-r"), step => Console.Error.WriteLine($"measuring: {step}"));
            int context = ModelManifest.Load(folder.FullName).ContextLength;
            if (Math.Max(result.GetValue(prompt), result.GetValue(generated)) + 1 > context)
                throw new WrongArgumentException($"-p and -n: the model's context has room for {context - 1} tokens.");
            BenchmarkResult measured = benchmark.Run(
                Positive(result.GetValue(prompt), "-p"), Positive(result.GetValue(generated), "-n"), encoded, cancellationToken);
            if (result.GetValue(json))
                Console.Out.WriteLine(JsonSerializer.Serialize(measured, CliJson.Indented.BenchmarkResult));
            else
                Print(measured);
            return ExitCode.Done;
        });
        return command;
    }

    private static int Positive(int value, string option) =>
        value >= 1 ? value : throw new WrongArgumentException($"{option}: expected 1 or more, found {value}.");

    private static int AtLeastTwo(int value) =>
        value >= 2 ? value : throw new WrongArgumentException($"-n: expected 2 or more with --parallel, found {value}.");

    private static int[] ReadStreams(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries);
        return [.. parts.Select(part => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= 64
            ? count
            : throw new WrongArgumentException($"--parallel: expected numbers from 1 to 64 separated by commas, found \"{text}\"."))];
    }

    private static void Print(ContextResult r)
    {
        Table table = PlainTable.Create("", "median", "lowest", "highest", "");
        table.AddRow("context", $"{r.ContextTokens}", "", "", $"tokens, {r.FilledTokens} of them random numbers");
        table.AddRow($"prefill, {r.PromptTokens} tokens", Number(r.PrefillTokensPerSecond), "", "", "tokens/s");
        table.AddRow($"a token, {r.GeneratedTokens} generated", Number(r.TokenMs.Median), Number(r.TokenMs.Min), Number(r.TokenMs.Max), "ms");
        table.AddRow("peak working set", Number(r.PeakWorkingSetBytes / 1e6), "", "", "MB");
        PlainTable.Write(table);
    }

    private static void Print(IReadOnlyList<ParallelResult> rows)
    {
        Table table = PlainTable.Create("streams", "prompt", "image", "tokens/s", "of the whole", "per stream", "first token", "95 %");
        foreach (ParallelResult row in rows)
        {
            table.AddRow(
                $"{row.Streams}", $"{row.PromptTokens} tokens", row.ImageTokens == 0
                    ? ""
                    : $"{row.ImageTokens} tokens", Number(row.TotalTokensPerSecond), Number(row.RequestTokensPerSecond), Number(row.StreamTokensPerSecond),
                $"{Number(row.TimeToFirstTokenMs)} ms", $"{Number(row.TimeToFirstTokenP95Ms)} ms");
        }
        PlainTable.Write(table);
    }

    private static void Print(BenchmarkResult r)
    {
        Console.Out.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{r.Model}: {r.Architecture}, {r.Parameters / 1e6:F1} million parameters, {r.Precision}"));
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
