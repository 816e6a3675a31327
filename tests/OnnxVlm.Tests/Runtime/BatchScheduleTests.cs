using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Export;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>
/// Random schedules: requests with texts and images, sampled and greedy, some with a grammar or a callback that puts an image into the answer, come and go at the same time, and each gets
/// the tokens and log probabilities that it gets alone. ONNXVLM_SCHEDULED_REQUESTS sets how many there are for each model, 40 by default.
/// </summary>
internal sealed class BatchScheduleTests
{
    // Where two scores are closer, another order of additions may choose the other token.
    private const double Tie = 1e-4;

    private readonly string _folder = Directory.CreateTempSubdirectory("onnxvlm-schedule-").FullName;

    private static int Requests => int.Parse(Environment.GetEnvironmentVariable("ONNXVLM_SCHEDULED_REQUESTS") ?? "40", CultureInfo.InvariantCulture);

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestCase("nano", Precision.Fp32)]
    [TestCase("nano", Precision.Int4)]
    [TestCase("gemma4_unified", Precision.Fp32)]
    [TestCase("neo", Precision.Fp32)]
    [TestCase("neo", Precision.Int4)]
    [TestCase("fuyu", Precision.Fp32)]
    public async Task GenerateAsync_RandomSchedule_EachRequestAsIfItWereAlone(string name, Precision precision)
    {
        string folder = Export(name, precision);
        using VlmModel alone = VlmModel.Load(folder, new VlmOptions { CacheBytes = 0, Runner = Runner.Ort, Threads = 1 });
        using VlmModel together = VlmModel.Load(folder, new VlmOptions { CacheBytes = 64 << 20, Runner = Runner.Ort, Threads = 1 });
        Request[] pool = [.. Enumerable.Range(0, Math.Min(60, Requests)).Select(seed => Request.Create(alone, seed))];
        Answer[] expected = new Answer[pool.Length];
        for (int i = 0; i < pool.Length; i++)
            expected[i] = await RunAsync(alone, pool[i], CancellationToken.None);

        ConcurrentBag<string> wrong = [];
        int next = -1, finished = 0, cancelled = 0, ties = 0;
        double mostDifferent = 0;
        await Task.WhenAll(Enumerable.Range(0, 12).Select(client => Task.Run(async () =>
        {
            Random random = new(client);
            while (Interlocked.Increment(ref next) < Requests)
            {
                int i = random.Next(pool.Length);
                using CancellationTokenSource source = new();
                if (random.Next(4) == 0)
                    source.CancelAfter(random.Next(20));
                try
                {
                    Answer found = await RunAsync(together, pool[i], source.Token, sharesRows: precision == Precision.Fp32);
                    string? difference = expected[i].Differs(found, ref mostDifferent);
                    if (difference == "tie")
                        Interlocked.Increment(ref ties);
                    else if (difference is not null)
                        wrong.Add($"request {i}: {difference}");
                    Interlocked.Increment(ref finished);
                }
                catch (OperationCanceledException) when (source.IsCancellationRequested)
                {
                    Interlocked.Increment(ref cancelled);
                }
                if (random.Next(3) == 0)
                    await Task.Delay(random.Next(10));
            }
        })));

        TestContext.Out.WriteLine($"{finished} finished, {cancelled} cancelled, {ties} ties, log probabilities differ by {mostDifferent:E1} at most");
        Assert.That(wrong, Is.Empty);
        Assert.That(ties, Is.LessThanOrEqualTo(3));
        Assert.That(finished, Is.GreaterThan(Requests / 2));
        Assert.That(mostDifferent, Is.LessThan(precision == Precision.Fp32 ? 3e-5 : 1e-12));
    }

    private string Export(string name, Precision precision)
    {
        string output = Path.Combine(_folder, $"{name}-{precision}");
        if (name == "fuyu")
        {
            Exporter.Export(new ExportOptions { CheckpointFolder = SmallFuyu(), OutputFolder = output, Precision = precision, RandomSeed = 3 });
            return output;
        }
        string checkpoint = name == "nano" ? Path.Combine(Nano.Folder, "hf") : Path.Combine(Nano.TestData, name);
        Exporter.Export(new ExportOptions { CheckpointFolder = checkpoint, OutputFolder = output, Precision = precision });
        return output;
    }

    private string SmallFuyu()
    {
        string folder = Path.Combine(_folder, "fuyu");
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(Exporter.ShippedConfigs["fuyu-8b"]))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        string path = Path.Combine(folder, "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config["num_hidden_layers"] = 3;
        config["hidden_size"] = 128;
        config["intermediate_size"] = 160;
        config["num_attention_heads"] = 2;
        File.WriteAllText(path, config.ToJsonString());
        return folder;
    }

    private static async Task<Answer> RunAsync(VlmModel model, Request request, CancellationToken cancellationToken, bool sharesRows = true)
    {
        Answer answer = new();
        // A row that is shared cuts the prompt at other places. Four bits round the activations, so that another cut is another answer; the same one is the same to the last bit.
        GenerationOptions options = request.Options(model) with { CacheScope = sharesRows ? null : Guid.NewGuid().ToString() };
        await foreach (GenerationUpdate update in model.GenerateAsync(request.Prompt, options, cancellationToken))
        {
            if (update.TokenId is int token)
                answer.Add(token, update);
        }
        return answer;
    }

    private sealed record Request(Prompt Prompt, int Seed)
    {
        public static Request Create(VlmModel model, int seed)
        {
            Random random = new(seed);
            List<PromptSegment> segments = [];
            // A few beginnings that requests have in common, so that rows are shared and copied.
            int family = random.Next(4);
            Random common = new(1000 + family);
            segments.Add(Text(common, 20 + (10 * family)));
            if (family % 2 == 1)
                segments.Add(Image(common));
            for (int i = random.Next(3); i > 0; i--)
                segments.Add(random.Next(3) == 0 ? Image(random) : Text(random, 1 + random.Next(60)));
            segments.Add(Text(random, 1 + random.Next(20)));
            return new Request(new Prompt(segments), seed);

            PromptSegment Text(Random source, int length) => new(Enumerable.Range(0, length).Select(_ => 10 + source.Next(200)).ToArray());

            PromptSegment Image(Random source)
            {
                int side = model.Manifest.Image.PatchSize, rows = 1 + source.Next(5), columns = 1 + source.Next(5);
                byte[] pixels = new byte[rows * columns * 3 * side * side];
                source.NextBytes(pixels);
                return ImageRun.Create(model.Manifest.Image.Tokens, new PatchGrid(rows, columns, pixels));
            }
        }

        public GenerationOptions Options(VlmModel model)
        {
            int kind = Seed % 5;
            GenerationOptions options = new() { MaxNewTokens = 3 + (Seed * 7 % 20), TopLogprobs = 2, Seed = Seed, Temperature = kind == 1 ? 0.8 : 0, TopP = kind == 1 ? 0.9 : 1, PresencePenalty = kind == 2 ? 1 : 0 };
            if (kind == 3 && model.Manifest.HasTokenizer)
                return options with { Guidance = Guidance.Regex("[a-z]{2,5}, [0-9]{1,3}") };
            if (kind == 4)
            {
                int replacement = 10 + (Seed % 100);
                options = options with { OnToken = step => step.Index % 4 == 3 && step.TokenId != replacement ? TokenDecision.Replace(replacement) : TokenDecision.Continue };
            }
            return kind == 0 && model.Manifest.HasTokenizer
                ? options with { OnToken = step => step.Index == 2 ? TokenDecision.Append(new TextContent("and "), new DataContent(File.ReadAllBytes(Nano.SampleImage), "image/png")) : TokenDecision.Continue }
                : options;
        }
    }

    private sealed class Answer
    {
        private readonly List<(int Token, double Logprob, double Margin)> _steps = [];

        public void Add(int token, GenerationUpdate update) =>
            _steps.Add((token, update.Logprob!.Logprob, update.TopLogprobs[0].Logprob - update.TopLogprobs[1].Logprob));

        public string? Differs(Answer other, ref double mostDifferent)
        {
            for (int i = 0; i < Math.Max(_steps.Count, other._steps.Count); i++)
            {
                if (i >= _steps.Count || i >= other._steps.Count)
                    return $"{other._steps.Count} tokens instead of {_steps.Count}";
                if (_steps[i].Token != other._steps[i].Token)
                    return _steps[i].Margin < Tie ? "tie" : $"token {i} is {other._steps[i].Token} instead of {_steps[i].Token}, {_steps[i].Margin:E1} ahead";
                mostDifferent = Math.Max(mostDifferent, Math.Abs(_steps[i].Logprob - other._steps[i].Logprob));
            }
            return null;
        }
    }
}
