using System.Text.Json.Nodes;
using OnnxVlm.Export;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>
/// A tiny Gemma whose layers with a window keep the last tokens only, against the same model with all tokens cached: random conversations, many windows long, of several rows with images, copies and
/// rewinds of every depth. What a row cannot go back to is read again.
/// </summary>
[TestFixture(8, null)]
[TestFixture(40, null)]
[TestFixture(24, Precision.Int8)]
internal sealed class WindowCacheTests(int window, Precision? keyValues)
{
    // Where numbers are cached in 8 bits, another order of additions may round one of them to the next code; logits with wrong rows differ by several units.
    private static double s_tolerance;

    private const int Steps = 60;

    private readonly string _folder = Directory.CreateTempSubdirectory("onnxvlm-window-").FullName;
    private ModelManifest _manifest = null!;
    private IDecoder _windows = null!;
    private IDecoder _full = null!;

    private string ModelFolder => Path.Combine(_folder, "out");

    [OneTimeSetUp]
    public void Load()
    {
        string checkpoint = Path.Combine(_folder, "hf");
        Directory.CreateDirectory(checkpoint);
        foreach (string path in Directory.GetFiles(Path.Combine(Nano.TestData, "gemma4_unified")))
            File.Copy(path, Path.Combine(checkpoint, Path.GetFileName(path)));
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(checkpoint, "config.json")))!;
        (config["text_config"]!["sliding_window"], config["text_config"]!["max_position_embeddings"]) = (window, 4096);
        File.WriteAllText(Path.Combine(checkpoint, "config.json"), config.ToJsonString());
        Exporter.Export(new ExportOptions { CheckpointFolder = checkpoint, OutputFolder = ModelFolder, KeyValues = keyValues });
        s_tolerance = keyValues is null ? 1e-4 : 0.3;
        _manifest = ModelManifest.Load(ModelFolder);
        _windows = new DecoderLoader(ModelFolder, _manifest, Runner.Ort, threads: 1, cacheBytes: 0).Load(Device.Cpu);
        _full = new DecoderLoader(ModelFolder, _manifest with { SlidingWindow = null }, Runner.Ort, threads: 1, cacheBytes: 0).Load(Device.Cpu);
    }

    [OneTimeTearDown]
    public void Delete()
    {
        _windows?.Dispose();
        _full?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void Load_Manifest_SaysTheWindow()
    {
        Assert.That(_manifest.SlidingWindow, Is.EqualTo(window));
        Assert.That((_windows.RestoresAnywhere, _full.RestoresAnywhere), Is.EqualTo((false, true)));
    }

    [Test]
    public async Task ReadAsync_RandomConversations_LogitsOfFullCaches([Range(0, 24)] int seed)
    {
        Random random = new(seed);
        List<Row> rows = [new Row(_windows, _full)];
        int again = 0, longest = 0;
        try
        {
            for (int step = 0; step < Steps || rows.Max(row => row.Length) < 5 * window; step++)
            {
                Row row = rows[random.Next(rows.Count)];
                switch (random.Next(8))
                {
                    case 0:
                        await row.AppendAsync(Image(random));
                        break;
                    case 1 or 2:
                        await row.AppendAsync(Text(random, random.Next(1, 90)));
                        break;
                    case 3:
                        again += await row.RewindAsync(random.Next(2) == 0 ? random.Next(row.Length + 1) : Math.Max(0, row.Length - random.Next(30)));
                        break;
                    case 4 when rows.Count < 5 && row.Length > 0:
                        (Row fork, int read) = await row.ForkAsync(random.Next(2) == 0 ? row.Length : random.Next(1, row.Length + 1));
                        rows.Add(fork);
                        again += read;
                        break;
                    case 5 when rows.Count > 1:
                        row.Dispose();
                        rows.Remove(row);
                        break;
                    default:
                        // Rows of different length in one batch.
                        for (int i = random.Next(1, 40); i > 0; i--)
                            await Task.WhenAll(rows.Select(each => each.AppendAsync(Text(random, 1))));
                        break;
                }
                longest = Math.Max(longest, rows.Max(each => each.Length));
                foreach (Row each in rows)
                    each.ExpectSameLogits(step);
            }
        }
        finally
        {
            rows.ForEach(row => row.Dispose());
        }
        TestContext.Out.WriteLine($"up to {longest} tokens, {longest / window} windows; {again} tokens read again");
        Assert.That(longest, Is.GreaterThanOrEqualTo(5 * window));
    }

    [Test]
    public async Task RewindTo_EveryDepth_WithinTheSlackNothingIsReadAgain()
    {
        WindowRule rule = new(window, _windows.ChunkTokens);
        using Row row = new(_windows, _full);
        Random random = new(1);
        int length = 6 * rule.MostTokens;
        await row.AppendAsync(Text(random, length));
        for (int depth = 1; depth < 3 * rule.Slack + window; depth++)
        {
            int again = await row.RewindAsync(length - depth);
            await row.AppendAsync(Text(random, depth));
            row.ExpectSameLogits(depth);
            if (depth <= rule.Slack)
                Assert.That(again, Is.Zero, $"depth {depth}");
        }
    }

    [Test]
    public async Task ReadAsync_ImageMuchLongerThanAPiece_LogitsOfFullCaches()
    {
        using Row row = new(_windows, _full);
        Random random = new(2);
        await row.AppendAsync(Text(random, 300));
        await row.AppendAsync(Image(random, 14, 20));
        row.ExpectSameLogits(0);
        for (int i = 0; i < 80; i++)
            await row.AppendAsync(Text(random, 1));
        row.ExpectSameLogits(1);
        await row.AppendAsync(Image(random, 3, 3));
        row.ExpectSameLogits(2);
        Assert.That(row.SizeBytes, Is.EqualTo(_windows.BytesFor(row.Length)).And.LessThan(_full.BytesFor(row.Length)));
    }

    [Test]
    public void Fill_SyntheticCache_IsAsLargeAndGoesOnAsARealOne()
    {
        using VlmModel model = VlmModel.Load(ModelFolder, new VlmOptions { Runner = Runner.Ort });
        using VlmSequence filled = model.CreateSequence(1200), other = model.CreateSequence(1200);
        filled.Fill(1000);
        other.Fill(1000);
        PromptSegment text = Text(new Random(5), 40);
        filled.Append(text);
        other.Append(text);

        Assert.That(filled.Length, Is.EqualTo(1040));
        Assert.That(filled.NextLogits(), Has.All.Matches<float>(float.IsFinite));
        Assert.That(filled.NextLogits(), Is.EqualTo(other.NextLogits()).Within(1e-4f), "the numbers are the same each time");
    }

    [Test]
    public async Task RewindTo_PlaceThatIsGone_BeginsAgain()
    {
        using IDecoderSequence sequence = _windows.CreateSequence(new SequenceOptions(2000, 0));
        await sequence.ReadAsync(PrefillPlan.Create(_windows, [Text(new Random(3), 1000)]), null, default);

        Assert.That(sequence.Restorable(500), Is.Zero);
        sequence.RewindTo(500);
        Assert.That(sequence.Length, Is.Zero);
    }

    [Test]
    public async Task GenerateAsync_ConversationsThatGoOnAndBack_TokensOfFullCachesAndRereadTokensCounted()
    {
        using VlmModel windows = VlmModel.Load(ModelFolder, new VlmOptions { Runner = Runner.Ort, CacheBytes = 64 << 20 });
        using VlmModel full = VlmModel.Load(ModelFolder, new VlmOptions { Runner = Runner.GenAI, CacheBytes = 0 });
        Random random = new(4);
        GenerationOptions options = new() { MaxNewTokens = 12, MinNewTokens = 12, Temperature = 0 };
        List<PromptSegment> conversation = [Text(random, 20)];
        long again = 0;
        for (int turn = 0; turn < 25; turn++)
        {
            if (random.Next(3) == 0)
                conversation.Add(Image(random));
            conversation.Add(Text(random, random.Next(1, 80)));
            // Somebody edits an earlier turn.
            if (turn % 8 == 7)
                conversation.RemoveRange(conversation.Count / 2, conversation.Count / 2);
            List<GenerationUpdate> found = await windows.GenerateAsync(new Prompt([.. conversation]), options).ToListAsync(), expected = await full.GenerateAsync(new Prompt([.. conversation]), options).ToListAsync();
            if (keyValues is null)
                Assert.That(found.Select(update => update.TokenId), Is.EqualTo(expected.Select(update => update.TokenId)), $"turn {turn}");
            GenerationStatistics statistics = found[^1].Statistics!;
            again += statistics.RereadTokens;
            Assert.That(statistics.RereadTokens + statistics.CachedTokens, Is.LessThanOrEqualTo(statistics.PromptTokens));
            conversation.Add(new PromptSegment(found.Where(update => update.TokenId is not null).Select(update => update.TokenId!.Value).ToArray()));
        }
        Assert.That(again, Is.GreaterThan(0), "an edit of an early turn reads again");
    }

    private static PromptSegment Text(Random random, int count) => new(Enumerable.Range(0, count).Select(_ => random.Next(110, 480)).ToArray());

    private PromptSegment Image(Random random) => Image(random, random.Next(1, 9), random.Next(1, 9));

    private PromptSegment Image(Random random, int rows, int columns)
    {
        byte[] pixels = new byte[rows * columns * 3 * _manifest.Image.PatchSize * _manifest.Image.PatchSize];
        random.NextBytes(pixels);
        return ImageRun.Create(_manifest.Image.Tokens, new PatchGrid(rows, columns, pixels));
    }

    /// <summary>A sequence with windows, the same with all tokens cached, and what both have read.</summary>
    private sealed class Row(IDecoder windows, IDecoder full) : IDisposable
    {
        private readonly IDecoderSequence _windows = windows.CreateSequence(new SequenceOptions(4000, 1200)), _full = full.CreateSequence(new SequenceOptions(4000, 1200));
        private readonly List<PromptSegment> _content = [];

        public int Length => _windows.Length;

        public long SizeBytes => _windows.SizeBytes;

        public async Task AppendAsync(PromptSegment segment)
        {
            _content.Add(segment);
            await _windows.ReadAsync(PrefillPlan.Create(windows, [segment]), null, default);
            await _full.ReadAsync(PrefillPlan.Create(full, [segment]), null, default);
        }

        /// <returns>Tokens that were read again.</returns>
        public async Task<int> RewindAsync(int wanted)
        {
            int length = Cut(wanted);
            _windows.RewindTo(length);
            _full.RewindTo(length);
            int kept = _windows.Length;
            await ReadAgainAsync(kept, length);
            return length - kept;
        }

        public async Task<(Row Row, int Again)> ForkAsync(int wanted)
        {
            Row row = new(windows, full);
            row._content.AddRange(_content);
            int length = row.Cut(wanted);
            row._windows.CopyFrom(_windows, length);
            int kept = row._windows.Length;
            row._full.CopyFrom(_full, length);
            await row.ReadAgainAsync(kept, length);
            return (row, length - kept);
        }

        public void ExpectSameLogits(int step)
        {
            Assert.That(_windows.Length, Is.EqualTo(_full.Length));
            float[]? found = Logits(_windows), expected = Logits(_full);
            if (found is not null && expected is not null)
                Assert.That(found.Zip(expected, (a, b) => Math.Abs(a - b)).Max(), Is.LessThan(s_tolerance), $"step {step}, {Length} tokens");
        }

        public void Dispose()
        {
            _windows.Dispose();
            _full.Dispose();
        }

        private static float[]? Logits(IDecoderSequence sequence)
        {
            try
            {
                return sequence.Logits.ToArray();
            }
            catch (InvalidOperationException)
            {
                return null;
            }
        }

        private async Task ReadAgainAsync(int kept, int length)
        {
            if (kept < length)
                await _windows.ReadAsync(PrefillPlan.Create(windows, _content, kept), null, default);
        }

        /// <summary>Cuts the content, before an image where the place is in it.</summary>
        private int Cut(int length)
        {
            int start = 0, kept = 0;
            while (kept < _content.Count && start + _content[kept].TokenIds.Length <= length)
                start += _content[kept++].TokenIds.Length;
            PromptSegment? rest = kept < _content.Count && _content[kept].Image is null ? _content[kept] with { TokenIds = _content[kept].TokenIds[..(length - start)] } : null;
            _content.RemoveRange(kept, _content.Count - kept);
            if (rest is null || rest.TokenIds.IsEmpty)
                return start;
            _content.Add(rest);
            return length;
        }
    }
}
