using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.Generation;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Tests.Architectures;

/// <summary>Exported neo_chat graphs against the managed reference, alone and through the library, and what the exporter accepts and refuses.</summary>
[TestFixture]
public sealed class NeoChatTests : ExportFixture
{
    private static readonly TinyNeo[] Models =
    [
        new(),
        new()
        {
            Seed = 2,
            Form = TinyNeo.Style.Neo15,
            Heads = 6,
            KeyValueHeads = 3,
            HeadSize = 8,
            DType = "BF16",
            Shards = 2,
            Theta = 5_000_000,
            ThetaHw = 500,
        },
        new() { Seed = 3, Form = TinyNeo.Style.SenseNovaU1, HeadSize = 32, Heads = 2, KeyValueHeads = 1, DType = "F16", Shards = 3 },
        new() { Seed = 4, Tied = true, HeadSize = 12, Heads = 3, KeyValueHeads = 3, Hidden = 72, SquareSize = 16, ThetaVision = 100, VisionWidth = 40 },
        new() { Seed = 5, Form = TinyNeo.Style.Neo15, Tied = true, HeadSize = 20, KeyValueHeads = 1, Layers = 3, Merge = 1, SquareSize = 8 },
        new() { Seed = 6, Form = TinyNeo.Style.SenseNovaU1, HeadSize = 16, Merge = 3, Theta = 10000, Tied = true },
    ];

    // Random sizes: multiples where the architecture requires them, anything else elsewhere.
    private static IEnumerable<TinyNeo> RandomModels()
    {
        Random random = new(20);
        for (int seed = 100; seed < 112; seed++)
        {
            var form = (TinyNeo.Style)random.Next(3);
            int keyValueHeads = random.Next(1, 4);
            yield return new TinyNeo
            {
                Seed = seed,
                Form = form,
                KeyValueHeads = keyValueHeads,
                Heads = keyValueHeads * random.Next(1, 4),
                HeadSize = (form == TinyNeo.Style.SenseNovaU1 ? 8 : 4) * random.Next(1, 7),
                Hidden = 8 * random.Next(3, 12),
                Intermediate = random.Next(20, 120),
                Layers = random.Next(1, 4),
                VisionWidth = 4 * random.Next(1, 12),
                SquareSize = random.Next(3, 9),
                Merge = random.Next(1, 4),
                Theta = Math.Pow(10, 3 + (4 * random.NextDouble())),
                ThetaHw = Math.Pow(10, 1 + (4 * random.NextDouble())),
                ThetaVision = Math.Pow(10, 1 + (4 * random.NextDouble())),
                Tied = random.Next(2) == 0,
                DType = new[] { "F32", "BF16", "F16" }[random.Next(3)],
                Shards = random.Next(1, 4),
            };
        }
    }

    [TestCaseSource(nameof(Models))]
    [TestCaseSource(nameof(RandomModels))]
    public void Logits_TextAndImages_MatchReference(object model)
    {
        var neo = (TinyNeo)model;
        neo.Write(Folder["hf"]);
        Exporter.Export(Options);
        NeoSequence sequence = Conversation(neo);
        double largest = LargestInPieces(sequence, sequence.Expected(new ReferenceNeo(Folder["hf"])));
        Assert.That(largest, Is.LessThanOrEqualTo(1e-4));
    }

    [TestCase(Device.Cuda, Precision.Fp32, true, 1e-4)]
    [TestCase(Device.DirectMl, Precision.Fp32, true, 1e-4)]
    [TestCase(Device.Cpu, Precision.Fp32, false, 1e-4)]
    [TestCase(Device.Cuda, Precision.Fp16, true, 0.1)]
    [TestCase(Device.DirectMl, Precision.Fp16, true, 0.1)]
    public void Logits_GraphsOfOtherDevices_MatchReference(Device device, Precision precision, bool pack, double tolerance)
    {
        TinyNeo neo = new() { Seed = 7 };
        neo.Write(Folder["hf"]);
        Exporter.Export(Options with { Device = device, Precision = precision, Pack = pack });
        NeoSequence sequence = Conversation(neo);
        Assert.That(LargestInPieces(sequence, sequence.Expected(new ReferenceNeo(Folder["hf"]))), Is.LessThanOrEqualTo(tolerance));
    }

    [TestCase(Precision.Int8, 0.05)]
    [TestCase(Precision.Int4, 0.5)]
    public void Logits_Quantized_StayNearReferenceWithThePatchEmbedderExact(Precision precision, double share)
    {
        TinyNeo neo = new() { Seed = 8 };
        neo.Write(Folder["hf"]);
        ExportReport report = Exporter.Export(Options with { Precision = precision });
        NeoSequence sequence = Conversation(neo);
        double[][] expected = sequence.Expected(new ReferenceNeo(Folder["hf"]));
        Assert.That(LargestInPieces(sequence, expected), Is.LessThanOrEqualTo(share * expected[^1].Max(Math.Abs)));
        Assert.That(report.Quantized.Select(tensor => tensor.Name), Has.Some.Contains("qkv_proj").And.None.Contains("vision_model").And.None.Contains("norm"));
    }

    [Test]
    public void Append_ImagesInLaterTurnsAndAfterRewinds_EqualsReadingAllAtOnce()
    {
        TinyNeo neo = new() { Seed = 9 };
        neo.Write(Folder["hf"]);
        Exporter.Export(Options);
        ReferenceNeo reference = new(Folder["hf"]);
        using VlmModel model = VlmModel.Load(Folder["out"], new VlmOptions { VerifyHashes = false });
        NeoSequence sequence = Conversation(neo);
        double[][] expected = sequence.Expected(reference);
        List<PromptSegment> segments = sequence.Segments(model.ImagePreprocessor);
        using VlmSequence live = model.CreateSequence(200, 64);

        // Piece after piece, like the turns of a conversation.
        int length = 0;
        foreach (PromptSegment segment in segments)
        {
            live.Append(segment);
            length += segment.TokenIds.Length;
            Assert.That(Largest(live.NextLogits(), expected[length - 1]), Is.LessThanOrEqualTo(1e-4), $"after {length} tokens");
        }

        // Rewinds behind the first image and continues with another one: the offset of the positions is rewound, too.
        NeoSequence other = sequence.Head(2).Text(3).Image(1, 3).Text(2);
        live.RewindTo(sequence.Head(2).Length);
        foreach (PromptSegment segment in other.Segments(model.ImagePreprocessor)[2..])
            live.Append(segment);
        Assert.That(Largest(live.NextLogits(), other.Expected(reference)[^1]), Is.LessThanOrEqualTo(1e-4), "after a rewind");

        // And once more from the start, all at once.
        live.RewindTo(0);
        live.Append(segments);
        Assert.That(Largest(live.NextLogits(), expected[^1]), Is.LessThanOrEqualTo(1e-4), "all at once");
    }

    [Test]
    public void Logits_TwoTextsAtOnce_MatchReference()
    {
        TinyNeo neo = new() { Seed = 11 };
        neo.Write(Folder["hf"]);
        Exporter.Export(Options);
        ReferenceNeo reference = new(Folder["hf"]);
        NeoSequence one = new NeoSequence(neo, 1).Text(7), two = new NeoSequence(neo, 2).Text(7);
        using GraphRunner graph = new(Folder["out"], batch: 2);
        float[] found = graph.Run([.. one.Ids[..6], .. two.Ids[..6]], []);
        Assert.That(found, Is.EqualTo(one.Expected(reference)[5].Concat(two.Expected(reference)[5])).Within(1e-4));
        found = graph.Run([one.Ids[6], two.Ids[6]], []);
        Assert.That(found, Is.EqualTo(one.Expected(reference)[6].Concat(two.Expected(reference)[6])).Within(1e-4));
    }

    [Test]
    public void RewindTo_InsideAnImage_Refused()
    {
        TinyNeo neo = new() { Seed = 10, Layers = 1 };
        neo.Write(Folder["hf"]);
        Exporter.Export(Options);
        using VlmModel model = VlmModel.Load(Folder["out"], new VlmOptions { VerifyHashes = false });
        using VlmSequence live = model.CreateSequence(50, 16);
        live.Append(new NeoSequence(neo, 1).Text(3).Image(2, 2).Text(2).Segments(model.ImagePreprocessor));
        Assert.That(() => live.RewindTo(6), Throws.ArgumentException.With.Message.Contains("inside an image"));
        Assert.That(() => live.RewindTo(4), Throws.Nothing, "before the first patch");
    }

    [TestCase(TinyNeo.Style.Neo10, TinyNeo.EndToken)]
    [TestCase(TinyNeo.Style.Neo15, null)]
    [TestCase(TinyNeo.Style.SenseNovaU1, TinyNeo.EndToken)]
    public void Export_EachForm_WritesTheImageRules(object form, int? end)
    {
        var style = (TinyNeo.Style)form;
        new TinyNeo { Form = style, MinPixels = 640, MaxPixels = 6400 }.Write(Folder["hf"]);
        Exporter.Export(Options);
        ModelManifest manifest = ModelManifest.Load(Folder["out"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(manifest.Image.PatchSize, Is.EqualTo(8));
            Assert.That(manifest.Image.PatchLayout, Is.EqualTo(PatchLayout.ChannelRowColumn));
            Assert.That(manifest.Image.Resize,
                Is.EqualTo(new ResizeRule { Rule = ResizeMode.SmartResize, Filter = ResizeFilter.Bicubic, MinPixels = 640, MaxPixels = 6400 }));
            Assert.That(manifest.Image.Alpha, Is.EqualTo(AlphaMode.WhiteIfTransparent));
            Assert.That(manifest.Image.HasPositions && manifest.Image.SharesTextPosition, Is.True);
            Assert.That(manifest.Image.Tokens,
                Is.EqualTo(new ImageTokens { Placeholder = TinyNeo.ImageToken, Begin = TinyNeo.BeginToken, End = end, TextAfter = "\n" }));

            // Base weights without an end token end where the model would generate an image.
            Assert.That(manifest.EndTokenIds, Is.EqualTo(new[] { style == TinyNeo.Style.Neo10 ? TinyNeo.ImageToken : TinyNeo.TurnEndToken }));
        }
    }

    [Test]
    public void Export_WithTokenizer_TakesTheTemplateOfNeoAndItsEndToken()
    {
        new TinyNeo().Write(Folder["hf"]);
        const string tokenizer = """
            { "added_tokens": [{ "id": 93, "content": "<|im_end|>", "special": true }, { "id": 94, "content": "<|im_start|>", "special": true }],
              "model": { "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] } }
            """;
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer.json"), tokenizer);
        const string settings = """{ "tokenizer_class": "Qwen2Tokenizer", "chat_template": "{{ 'of Qwen' }}" }""";
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer_config.json"), settings);
        Exporter.Export(Options);
        JsonNode written = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder["out"], "tokenizer.json")))!;
        string template = File.ReadAllText(Path.Combine(Folder["out"], "chat_template.jinja"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ModelManifest.Load(Folder["out"]).EndTokenIds, Is.EqualTo(new[] { TinyNeo.TurnEndToken }));
            Assert.That(template, Does.Contain("<|im_start|>assistant").And.Contain("OnnxVlm"));
            Assert.That(written["added_tokens"]!.AsArray().Select(token => ((int?)token!["id"], (string?)token["content"])),
                Is.EquivalentTo(new[] { ((int?)93, "<|im_end|>"), (94, "<|im_start|>"), (TinyNeo.ImageToken, "<IMG_CONTEXT>"), (TinyNeo.BeginToken, "<img>"),
                (TinyNeo.EndToken, "</img>") }));
        }
    }

    [Test]
    public void Export_TokenizerInVocabularyAndMerges_BecomesTokenizerJson()
    {
        new TinyNeo().Write(Folder["hf"]);
        File.WriteAllText(Path.Combine(Folder["hf"], "vocab.json"), """{ "a": 0, "b": 1, "ab": 2, "Ċ": 3 }""");
        File.WriteAllText(Path.Combine(Folder["hf"], "merges.txt"), "#version: 0.2\na b\n");
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer_config.json"), """
            { "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": false, "chat_template": "{{ 'of Qwen' }}",
              "added_tokens_decoder": {
                "93": { "content": "<|im_end|>", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true },
                "94": { "content": "<|im_start|>", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false, "special": true } } }
            """);
        Exporter.Export(Options);
        using VlmModel model = VlmModel.Load(Folder["out"]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(model.Tokenizer.Encode("aab\n"), Is.EqualTo(new[] { 0, 2, 3 }));
            Assert.That(model.Tokenizer.Encode("<|im_start|>a<img>"), Is.EqualTo(new[] { 94, 0, TinyNeo.BeginToken }));
            Assert.That(model.Manifest.EndTokenIds, Is.EqualTo(new[] { TinyNeo.TurnEndToken }));
            Assert.That(new[] { "<|im_end|>", "<IMG_CONTEXT>", "</img>" }.Select(text => model.Tokenizer.Encode(text))
                .Select(ids => model.Vocabulary.IsSpecial(ids.Single())), Is.All.True);
        }
    }

    [Test]
    public void Export_ShippedTokenizerAsVocabularyAndMerges_GivesTheSameTokens()
    {
        // The shipped tokenizer splits texts as Qwen's does, so it can be stored in the two files.
        string nano = Path.Combine(TestData(), "..", "..", "onnx-models", "nano");
        JsonNode tokenizer = JsonNode.Parse(File.ReadAllText(Path.Combine(nano, "tokenizer.json")))!;
        new TinyNeo { Vocabulary = 1600 }.Write(Folder["hf"]);
        File.Delete(Path.Combine(Folder["hf"], "added_tokens.json"));
        JsonObject config = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder["hf"], "config.json")))!.AsObject();
        config["img_context_token_id"] = (int)tokenizer["added_tokens"]!.AsArray().Single(token => (string?)token!["content"] == "<|image|>")!["id"]!;
        File.WriteAllText(Path.Combine(Folder["hf"], "config.json"), config.ToJsonString());
        File.WriteAllText(Path.Combine(Folder["hf"], "vocab.json"), tokenizer["model"]!["vocab"]!.ToJsonString());
        File.WriteAllLines(Path.Combine(Folder["hf"], "merges.txt"),
            ["#version: 0.2", .. tokenizer["model"]!["merges"]!.AsArray().Select(merge => (string)merge!)]);
        // Only the image token has another name here.
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer_config.json"),
            File.ReadAllText(Path.Combine(nano, "tokenizer_config.json")).Replace("<|image|>", "<IMG_CONTEXT>", StringComparison.Ordinal));
        Exporter.Export(Options);

        using VlmModel expected = VlmModel.Load(nano), found = VlmModel.Load(Folder["out"]);
        string[] pieces = ["the", " The", "don't", "WE'LL", "42", " 7.5", "\n", "\r\n", "\n\n ", "  ", "\t", "é", "中文", " ,;", "!?", "x", "<|im_start|>",
            "<|im_end|>", "_", "🙂"];
        Random random = new(3);
        for (int round = 0; round < 200; round++)
        {
            string text = string.Concat(Enumerable.Range(0, 1 + random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]));
            Assert.That(found.Tokenizer.Encode(text), Is.EqualTo(expected.Tokenizer.Encode(text)), text);
        }
    }

    [Test]
    public void Export_VocabularyOfAnotherTokenizer_Refused()
    {
        new TinyNeo().Write(Folder["hf"]);
        File.WriteAllText(Path.Combine(Folder["hf"], "vocab.json"), """{ "a": 0 }""");
        File.WriteAllText(Path.Combine(Folder["hf"], "merges.txt"), "");
        File.WriteAllText(Path.Combine(Folder["hf"], "tokenizer_config.json"), """{ "tokenizer_class": "GPT2Tokenizer" }""");
        Assert.That(() => Exporter.Export(Options),
            Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains("only tokenizer_class Qwen2Tokenizer is implemented, found GPT2Tokenizer"));
    }

    [TestCase("neo-9b", 10.24e9)]
    [TestCase("neo-2b", 2.59e9)]
    [TestCase("sensenova-u1-8b", 9.37e9)]
    public void Export_ShippedConfigWithRandomWeights_CanBePrompted(string name, double parameters)
    {
        // The configuration is used except for its sizes: a small model is written, and the full one is counted.
        string source = Exporter.ShippedConfigs[name];
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!;
        Assert.That(Count(config), Is.EqualTo(parameters).Within(parameters / 100));
        Directory.CreateDirectory(Folder["hf"]);
        File.Copy(Path.Combine(source, "tokenizer_config.json"), Path.Combine(Folder["hf"], "tokenizer_config.json"));
        foreach ((string key, int value) in new[] { ("hidden_size", 64), ("intermediate_size", 96), ("num_hidden_layers", 2), ("num_attention_heads", 2),
            ("num_key_value_heads", 1), ("head_dim", 32) })
            config["llm_config"]![key] = value;
        (config["vision_config"]!["llm_hidden_size"], config["vision_config"]!["hidden_size"]) = (64, 32);
        File.WriteAllText(Path.Combine(Folder["hf"], "config.json"), config.ToJsonString());

        Exporter.Export(Options with { RandomSeed = 1, Precision = Precision.Int4 });
        using VlmModel model = VlmModel.Load(Folder["out"], new VlmOptions { VerifyHashes = false });
        DataContent image = new(File.ReadAllBytes(Path.Combine(TestData(), "neo", "preprocess", "rgba_w70h45", "image.png")), "image/png");
        Prompt prompt = model.CreatePrompt([new ChatMessage(ChatRole.System, "Be brief."), new ChatMessage(ChatRole.User, [image, new TextContent("What?")])]);
        using VlmSequence live = model.CreateSequence(prompt.TokenCount, 128);
        live.Append(prompt.Segments);
        using (Assert.EnterMultipleScope())
        {
            // 224 by 320 pixels, 7 by 10 patches.
            string run = "<img>" + string.Concat(Enumerable.Repeat("<IMG_CONTEXT>", 70)) + "</img>";
            Assert.That(Show(model, prompt.ToTokenIds()),
                Is.EqualTo($"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{run}\nWhat?<|im_end|>\n<|im_start|>assistant\n"));
            Assert.That(model.Manifest.EndTokenIds, Is.EqualTo(new[] { 151645 }));
            Assert.That(live.NextLogits(), Is.All.InRange(-1000, 1000).And.Some.Not.Zero);
        }
    }

    [TestCase("llm_config", "attention_bias", "true", "attention_bias: only False is implemented")]
    [TestCase("llm_config", "hidden_act", "\"gelu\"", "hidden_act: only silu is implemented")]
    [TestCase("llm_config", "model_type", "\"qwen3_moe\"", "llm_config: model_type: only qwen3 is implemented, found qwen3_moe")]
    [TestCase("llm_config", "use_sliding_window", "true", "use_sliding_window")]
    [TestCase("llm_config", "layer_types", "[\"full_attention\", \"sliding_attention\"]", "layer_types: only full_attention")]
    [TestCase("llm_config", "rope_scaling", "{ \"rope_type\": \"yarn\" }", "rope_type: only default is implemented, found yarn")]
    [TestCase("llm_config", "num_experts", "8", "llm_config: num_experts: not implemented")]
    [TestCase("vision_config", "num_channels", "4", "num_channels: only 3 is implemented")]
    [TestCase("vision_config", "downsample_ratio", "0.25", "downsample_ratio: only one ratio")]
    [TestCase("vision_config", "depth", "2", "vision_config: depth: not implemented")]
    [TestCase(null, "template", "\"Hermes-2\"", "template: only neo1_0 is implemented")]
    [TestCase(null, "use_pixel_head", "true", "use_pixel_head: not implemented")]
    public void Export_UnimplementedKey_RefusedByName(string? section, string key, string value, string message)
    {
        new TinyNeo().Write(Folder["hf"]);
        string path = Path.Combine(Folder["hf"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        (section is null ? config : config[section]!)[key] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<UnsupportedModelException>().With.Message.Contains(message));
        Assert.That(Directory.Exists(Folder["out"]), Is.False);
    }

    [TestCase("llm_config", "head_dim", "6", "head_dim: expected a multiple of 4, found 6")]
    [TestCase("llm_config", "num_attention_heads", "5", "num_attention_heads: expected a multiple of 2")]
    [TestCase("vision_config", "llm_hidden_size", "32", "llm_hidden_size: expected hidden_size of llm_config (64), found 32")]
    [TestCase("vision_config", "min_pixels", "0", "min_pixels: expected 1 to")]
    [TestCase("vision_config", "min_pixels", "16777216", "min_pixels: expected at most max_pixels")]
    [TestCase("vision_config", "min_pixels", "2147483647", "min_pixels: expected 1 to")]
    [TestCase(null, "llm_config", "3", "llm_config: expected an object")]
    [TestCase(null, "img_context_token_id", "96", "img_context_token_id: expected a token id below vocab_size (96), found 96")]
    public void Export_BadValue_NamesItAndWhatWasExpected(string? section, string key, string value, string message)
    {
        new TinyNeo().Write(Folder["hf"]);
        string path = Path.Combine(Folder["hf"], "config.json");
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        (section is null ? config : config[section]!)[key] = JsonNode.Parse(value);
        File.WriteAllText(path, config.ToJsonString());
        Assert.That(() => Exporter.Export(Options), Throws.InstanceOf<ModelLoadException>().With.Message.Contains(message));
    }

    [Test]
    public void Export_NoIdOfTheImageToken_SaysWhereItIsLookedFor()
    {
        new TinyNeo().Write(Folder["hf"]);
        File.Delete(Path.Combine(Folder["hf"], "added_tokens.json"));
        Assert.That(() => Exporter.Export(Options),
            Throws.InstanceOf<ModelLoadException>().With.Message.Contains("img_context_token_id is missing").And.Message.Contains("added_tokens.json"));
    }

    private static string Show(VlmModel model, int[] ids)
    {
        Dictionary<int, string> special =
            new() { [151644] = "<|im_start|>", [151645] = "<|im_end|>", [151669] = "<IMG_CONTEXT>", [151670] = "<img>", [151671] = "</img>" };
        return string.Concat(ids.Select(id => special.TryGetValue(id, out string? text) ? text : ((char)model.Vocabulary.BytesOf(id).Span[0]).ToString()));
    }

    private static string TestData([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "..", "data"));

    private static double Count(JsonNode config)
    {
        double Number(string key) => (double)config["llm_config"]![key]!;
        double hidden = Number("hidden_size");
        double queries = Number("num_attention_heads") * Number("head_dim");
        double keys = Number("num_key_value_heads") * Number("head_dim");
        int projections = config["fm_head_dim"] is null ? 3 : 2;
        double layer = (hidden * projections * (queries + keys)) + (3 * hidden * Number("intermediate_size"));
        return (Number("num_hidden_layers") * layer)
            + (((bool)config["llm_config"]!["tie_word_embeddings"]! ? 1 : 2) * hidden * Number("vocab_size")) + (4 * 1024 * hidden);
    }

    // Text, an image, text, two images, text; the last tokens are run one by one.
    private static NeoSequence Conversation(TinyNeo neo) =>
        new NeoSequence(neo, neo.Seed + 50).Text(5).Image(2, 3).Text(4).Image(3, 1).Image(1, 4).Text(3).Text(1).Text(1);

    // The first five pieces at once, then the rest piece by piece with the cache of the graph.
    private double LargestInPieces(NeoSequence sequence, double[][] expected)
    {
        using GraphRunner graph = new(Folder["out"]);
        (int from, int length, double largest) = (0, 0, 0);
        foreach (int to in Enumerable.Range(4, sequence.Pieces.Count - 3))
        {
            long[] ids = [.. sequence.Pieces[from..to].SelectMany(piece => piece)];
            float[] found = graph.Run(ids, sequence.Patches(from, to));
            graph.PositionOffset += ids.Zip(ids.Skip(1), (a, b) => a == TinyNeo.ImageToken && b == TinyNeo.ImageToken ? 1 : 0).Sum();
            length += ids.Length;
            largest = Math.Max(largest, Largest(found, expected[length - 1]));
            from = to;
        }

        TestContext.Out.WriteLine($"max |difference| {largest:E2}, logits up to {expected[^1].Max(Math.Abs):F1}");
        return largest;
    }
}
