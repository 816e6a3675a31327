using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using OnnxVlm.Export;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Runtime;

/// <summary>
/// Random schedules: requests of all kinds come at random times and go in all ways there are, beside sequences that read and go back, and each gets the tokens and log probabilities that it gets
/// alone. ONNXVLM_SCHEDULED_REQUESTS sets how many there are for each model, 40 by default.
/// </summary>
internal sealed class BatchScheduleTests
{
    private const int Clients = 12, Readers = 2;

    private readonly string _folder = Directory.CreateTempSubdirectory("onnxvlm-schedule-").FullName;

    private static int Requests => int.Parse(Environment.GetEnvironmentVariable("ONNXVLM_SCHEDULED_REQUESTS") ?? "40", CultureInfo.InvariantCulture);

    private enum Ending
    {
        Whole,
        CancelledByTheClock,
        CancelledByItsProgress,
        CancelledByItsCallback,
        ThrownByItsProgress,
        ThrownByItsCallback,
        LeftByItsReader,
    }

    [OneTimeTearDown]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestCase("nano", Precision.Fp32)]
    [TestCase("nano", Precision.Int4)]
    [TestCase("gemma4_unified", Precision.Fp32)]
    [TestCase("neo", Precision.Fp32)]
    [TestCase("neo", Precision.Int4)]
    [TestCase("fuyu", Precision.Fp32)]
    [TestCase("qwen3_5", Precision.Fp32)]
    [TestCase("qwen3_5", Precision.Int4)]
    public async Task GenerateAsync_RandomSchedule_EachRequestAsIfItWereAlone(string name, Precision precision)
    {
        int owners = NativeOwner.Count;
        string folder = Export(name, precision);
        VlmModel alone = VlmModel.Load(folder, new VlmOptions { CacheBytes = 0, Runner = Runner.Ort, Threads = 1 });
        VlmModel together = VlmModel.Load(folder, new VlmOptions { CacheBytes = 64 << 20, Runner = Runner.Ort, Threads = 1 });
        ScheduledRequest[] pool = [.. Enumerable.Range(0, Math.Min(60, Requests)).Select(seed => ScheduledRequest.Create(alone, seed))];
        ScheduledAnswer[] expected = new ScheduledAnswer[pool.Length];
        for (int i = 0; i < pool.Length; i++)
            await ReadAsync(alone, pool[i], pool[i].Options(alone), int.MaxValue, expected[i] = new ScheduledAnswer(), CancellationToken.None);

        ConcurrentBag<(string? Difference, double Logprobs)> results = [];
        ConcurrentDictionary<Ending, int> endings = [];
        int next = -1, cached = 0;
        Task[] readers = precision == Precision.Fp32 ? [.. Enumerable.Range(0, Readers).Select(reader => Task.Run(() => Rewind(together, alone, reader, results)))] : [];
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            Random random = new(client);
            while (Interlocked.Increment(ref next) < Requests)
            {
                int i = random.Next(pool.Length);
                Ending ending = random.Next(2) == 0 ? Ending.Whole : (Ending)random.Next(1, 7);
                ScheduledAnswer answer = new();
                bool isWhole = await AskAsync(together, pool[i], ending, random, answer, sharesRows: precision == Precision.Fp32);
                (string? difference, double logprobs) = expected[i].Compare(answer, isWhole);
                results.Add((difference is null or "tie" ? difference : $"request {i}, {ending}: {difference}", logprobs));
                Interlocked.Add(ref cached, answer.CachedTokens);
                endings.AddOrUpdate(isWhole ? Ending.Whole : ending, 1, (_, count) => count + 1);
                if (random.Next(3) == 0)
                    await Task.Delay(random.Next(10));
            }
        })));
        await Task.WhenAll(readers);

        double most = results.Max(result => result.Logprobs);
        int ties = results.Count(result => result.Difference == "tie");
        TestContext.Out.WriteLine($"{string.Join(", ", endings.OrderBy(ending => ending.Key).Select(ending => $"{ending.Key} {ending.Value}"))}; {cached} tokens from other rows, {ties} ties, log probabilities differ by {most:E1} at most");
        Assert.That(results.Select(result => result.Difference).Where(difference => difference is not null and not "tie"), Is.Empty);
        Assert.That(ties, Is.LessThanOrEqualTo(3));
        Assert.That(endings[Ending.Whole], Is.GreaterThan(Requests / 3));
        Assert.That(cached, precision == Precision.Fp32 ? Is.GreaterThan(Requests) : Is.Zero);
        Assert.That(most, Is.LessThan(precision == Precision.Fp32 ? 3e-5 : 1e-12));
        alone.Dispose();
        together.Dispose();
        Assert.That(NativeOwner.Count, Is.EqualTo(owners));
    }

    /// <summary>Asks, and ends it in a certain way, if it does not end before.</summary>
    /// <returns>Whether the answer ended by itself.</returns>
    private static async Task<bool> AskAsync(VlmModel model, ScheduledRequest request, Ending ending, Random random, ScheduledAnswer answer, bool sharesRows)
    {
        using CancellationTokenSource source = new();
        int moment = random.Next(20), tokens = ending == Ending.LeftByItsReader ? 1 + (moment / 2) : int.MaxValue, reports = 0;
        if (ending == Ending.CancelledByTheClock)
            source.CancelAfter(moment);
        void End(int step)
        {
            if (ending is Ending.CancelledByItsCallback && step == moment / 2)
                source.Cancel();
            if (ending is Ending.CancelledByItsProgress && reports > moment / 4)
                source.Cancel();
            if ((ending is Ending.ThrownByItsCallback && step == moment / 2) || (ending is Ending.ThrownByItsProgress && reports > moment / 4))
                throw new TimeZoneNotFoundException();
        }
        GenerationOptions options = request.Options(model, ending is Ending.CancelledByItsCallback or Ending.ThrownByItsCallback ? End : null) with
        {
            // A row that is shared cuts the prompt at other places. Four bits round the activations, so that another cut is another answer; the same one is the same to the last bit.
            CacheScope = sharesRows ? null : Guid.NewGuid().ToString(),
            OnPrefill = ending is Ending.CancelledByItsProgress or Ending.ThrownByItsProgress ? _ => End(-reports++) : null,
        };
        try
        {
            return await ReadAsync(model, request, options, tokens, answer, source.Token);
        }
        catch (OperationCanceledException) when (source.IsCancellationRequested)
        {
            return false;
        }
        catch (TimeZoneNotFoundException)
        {
            return false;
        }
    }

    private static async Task<bool> ReadAsync(VlmModel model, ScheduledRequest request, GenerationOptions options, int tokens, ScheduledAnswer answer, CancellationToken cancellationToken)
    {
        await foreach (GenerationUpdate update in model.GenerateAsync(request.Prompt, options, cancellationToken))
        {
            answer.Add(update);
            if (answer.Count == tokens)
                return false;
        }
        return true;
    }

    /// <summary>A sequence that reads and goes back at random, compared with one that reads what is left all at once.</summary>
    private static void Rewind(VlmModel model, VlmModel alone, int seed, ConcurrentBag<(string? Difference, double Logprobs)> results)
    {
        Random random = new(seed);
        using VlmSequence sequence = model.CreateSequence(400, 100), whole = alone.CreateSequence(400, 100);
        List<PromptSegment> content = [];
        for (int round = 0; round < Math.Max(10, Requests / 20); round++)
        {
            while (content.Count > 0 && (sequence.Length > 250 || random.Next(3) == 0))
            {
                // To the end of a segment, or to somewhere in a text.
                PromptSegment last = content[^1];
                int kept = last.Image is null ? random.Next(last.TokenIds.Length) : 0;
                sequence.RewindTo(sequence.Length - last.TokenIds.Length + kept);
                content.RemoveAt(content.Count - 1);
                if (kept > 0)
                    content.Add(new PromptSegment(last.TokenIds[..kept]));
            }
            PromptSegment[] more = [.. Enumerable.Range(0, 1 + random.Next(2)).Select(_ => random.Next(3) == 0 ? ScheduledRequest.Image(model, random) : ScheduledRequest.Text(model, random, 1 + random.Next(50)))];
            content.AddRange(more);
            sequence.Append(more);
            whole.RewindTo(0);
            whole.Append(content);
            double most = sequence.NextLogits().Zip(whole.NextLogits(), (a, b) => (double)Math.Abs(a - b)).Max();
            results.Add((most < 1e-4 ? null : $"sequence {seed}, round {round}: logits differ by {most:E1}", 0));
        }
    }

    private string Export(string name, Precision precision)
    {
        string output = Path.Combine(_folder, $"{name}-{precision}"), checkpoint = Path.Combine(_folder, name);
        if (name == "fuyu")
            WriteSmallFuyu(checkpoint);
        else if (name != "nano")
            WriteWithTokenizer(name, checkpoint);
        ExportOptions options = new() { CheckpointFolder = name == "nano" ? Path.Combine(Nano.Folder, "hf") : checkpoint, OutputFolder = output, Precision = precision };
        Exporter.Export(name == "fuyu" ? options with { RandomSeed = 3 } : options);
        return output;
    }

    private static void WriteWithTokenizer(string name, string checkpoint)
    {
        Copy(Path.Combine(Nano.TestData, name), checkpoint);
        ByteTokenizerFile.Write(checkpoint, name switch
        {
            "gemma4_unified" => new Dictionary<string, int> { ["<pad>"] = 0, ["<eos>"] = 1, ["<bos>"] = 2, ["<|turn>"] = 105, ["<turn|>"] = 106, ["<|image>"] = 490, ["<image|>"] = 491, ["<|image|>"] = 492 },
            "neo" => new Dictionary<string, int> { ["<|im_start|>"] = 509, ["<|im_end|>"] = 510, ["<|endoftext|>"] = 511, ["<IMG_CONTEXT>"] = 500, ["<img>"] = 501, ["</img>"] = 502 },
            _ => new Dictionary<string, int> { ["<|endoftext|>"] = 496, ["<|im_start|>"] = 497, ["<|im_end|>"] = 498, ["<|image_pad|>"] = 500, ["<|vision_start|>"] = 501, ["<|vision_end|>"] = 502, ["<|video_pad|>"] = 503 },
        });
    }

    private static void WriteSmallFuyu(string checkpoint)
    {
        Copy(Exporter.ShippedConfigs["fuyu-8b"], checkpoint);
        string path = Path.Combine(checkpoint, "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config["num_hidden_layers"] = 3;
        config["hidden_size"] = 128;
        config["intermediate_size"] = 160;
        config["num_attention_heads"] = 2;
        File.WriteAllText(path, config.ToJsonString());
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)), overwrite: true);
    }
}
