using System.Text.Json.Nodes;
using OnnxVlm.Export.Tests.Support;

namespace OnnxVlm.Export.Tests;

/// <summary>Each damage gives one clear line, and leaves neither the output folder nor a temporary one.</summary>
[TestFixture]
public sealed class BadCheckpointTests : ExportFixture
{
    private string Weights => Path.Combine(Folder["hf"], "model.safetensors");

    [SetUp]
    public void SetUp() => new TinyModel().Write(Folder["hf"]);

    [Test]
    public void Export_NoCheckpointFolder_NamesIt()
    {
        Directory.Delete(Folder["hf"], recursive: true);
        Refuses<ModelLoadException>("no such checkpoint folder");
    }

    [TestCase("config.json")]
    [TestCase("preprocessor_config.json")]
    [TestCase("tokenizer.json")]
    [TestCase("tokenizer_config.json")]
    [TestCase("model.safetensors")]
    public void Export_MissingFile_NamesIt(string name)
    {
        File.Delete(Path.Combine(Folder["hf"], name));
        Refuses<ModelLoadException>(name);
    }

    [TestCase("{\"model_type\": \"unified_decoder\"", "not valid JSON")]
    [TestCase("[1]", "expected a JSON object")]
    [TestCase("{\"model_type\": 3}", "model_type: expected a string, found 3")]
    [TestCase("{\"model_type\": \"unified_decoder\", \"model_type\": \"x\"}", "not valid JSON")]
    [TestCase("{}", "model_type is missing")]
    public void Export_BadConfig_SaysWhat(string json, string message)
    {
        File.WriteAllText(Path.Combine(Folder["hf"], "config.json"), json);
        Refuses<ModelLoadException>(message);
    }

    [TestCase("somebodys_own", "it is not implemented")]
    [TestCase("qwen3", "it reads text only")]
    [TestCase("mamba", "it reads text only")]
    [TestCase("chameleon", "it has an image tokenizer")]
    [TestCase("qwen3_5_moe", "it has a vision encoder, and of such models OnnxVlm exports qwen3_5 only")]
    [TestCase("llava_onevision", "it has a vision encoder")]
    [TestCase("qwen2_vl", "it has a vision encoder")]
    [TestCase("gemma4", "it has a vision encoder")]
    [TestCase("internvl_chat", "it has a vision encoder")]
    public void Export_OtherModelType_RefusedByNameWithTheReason(string modelType, string reason)
    {
        Config(config => config["model_type"] = modelType);
        Refuses<UnsupportedModelException>("model_type: expected", $"found {modelType}: {reason}");
    }

    [TestCase("llava", "{ \"model_type\": \"clip_vision_model\", \"num_hidden_layers\": 24 }", "vision encoder (clip_vision_model of 24 layers)")]
    [TestCase("qwen3_5_moe", "{ \"depth\": 27, \"hidden_size\": 1152 }", "vision encoder (vision_config of 27 layers)")]
    [TestCase("somebodys_own", "{ \"model_type\": \"siglip_vision_model\" }", "vision encoder (siglip_vision_model)")]
    [TestCase("qwen2", "{ \"depth\": 32 }", "vision encoder (vision_config of 32 layers)")]
    public void Export_VisionConfigOfAnEncoder_RefusedWithWhatItIs(string modelType, string vision, string reason)
    {
        Config(config =>
        {
            config["model_type"] = modelType;
            config["vision_config"] = JsonNode.Parse(vision);
        });
        Refuses<UnsupportedModelException>($"found {modelType}", reason);
    }

    [Test]
    public void Export_VisionTower_SaysSo()
    {
        Config(config => (config["model_type"], config["mm_vision_tower"]) = ("somebodys_own", "openai/clip-vit-large-patch14-336"));
        Refuses<UnsupportedModelException>("found somebodys_own", "vision encoder (mm_vision_tower)");
    }

    [TestCase("rope_scaling")]
    [TestCase("sliding_window")]
    public void Export_UnknownConfigKey_NamesIt(string key)
    {
        Config(config => config[key] = 7);
        Refuses<UnsupportedModelException>(key);
    }

    [TestCase("hidden_act", "gelu")]
    [TestCase("attention_bias", true)]
    public void Export_UnimplementedValue_NamesIt(string key, object value)
    {
        Config(config => config[key] = JsonValue.Create(value));
        Refuses<UnsupportedModelException>(key, value.ToString()!);
    }

    [TestCase("hidden_size", -1)]
    [TestCase("num_hidden_layers", 0)]
    [TestCase("num_attention_heads", 3)]
    [TestCase("image_token_id", 5000)]
    [TestCase("eos_token_id", 96)]
    [TestCase("vocab_size", 1.5)]
    public void Export_ImpossibleValue_NamesIt(string key, double value)
    {
        Config(config => config[key] = value == Math.Floor(value) ? JsonValue.Create((int)value) : JsonValue.Create(value));
        Refuses<ModelLoadException>(key);
    }

    [TestCase("do_rescale")]
    [TestCase("crop_size")]
    public void Export_UnknownPreprocessorKey_NamesIt(string key)
    {
        Preprocessor(config => config[key] = true);
        Refuses<UnsupportedModelException>(key, "preprocessor_config.json");
    }

    [TestCase(0.5)]
    [TestCase(17)]
    public void Export_ImpossibleEnlargement_NamesIt(double value)
    {
        Preprocessor(config => config["max_enlargement"] = value);
        Refuses<ModelLoadException>("max_enlargement", "expected 1 to 16");
    }

    [Test]
    public void Export_MissingTensor_NamesIt()
    {
        Rewrite(tensors => [.. tensors.Where(tensor => tensor.Name != "model.layers.1.mlp.up_proj.weight")]);
        Refuses<ModelLoadException>("model.layers.1.mlp.up_proj.weight", "[96, 64]", "missing");
    }

    [Test]
    public void Export_ExtraTensor_NamesIt()
    {
        Rewrite(tensors => [.. tensors, ("model.layers.0.self_attn.q_norm.weight", [16], new float[16])]);
        Refuses<ModelLoadException>("no use for tensor model.layers.0.self_attn.q_norm.weight");
    }

    [Test]
    public void Export_OtherHeadBesideTiedEmbedding_NamesBoth()
    {
        Rewrite(tensors =>
        {
            float[] head = [.. tensors.Single(tensor => tensor.Name == "model.embed_tokens.weight").Numbers];
            head[^1] += 1;
            return [.. tensors, ("lm_head.weight", [96, 64], head)];
        });
        Refuses<ModelLoadException>("lm_head.weight and model.embed_tokens.weight: expected the same numbers", "tie_word_embeddings");
    }

    [Test]
    public void Export_HeadOfAnotherShapeBesideTiedEmbedding_NamesIt()
    {
        Rewrite(tensors => [.. tensors, ("lm_head.weight", [48, 64], new float[48 * 64])]);
        Refuses<ModelLoadException>("lm_head.weight: expected shape [96, 64]");
    }

    [Test]
    public void Export_AdapterThatIsNotMerged_SaysSo()
    {
        Rewrite(tensors => [.. tensors, ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", [4, 64], new float[4 * 64])]);
        Refuses<UnsupportedModelException>("lora_A.weight is of an adapter; merge");
    }

    [Test]
    public void Export_QuantizedWeights_SaysSo()
    {
        Config(config => config["quantization_config"] = new JsonObject { ["quant_method"] = "torchao" });
        Refuses<UnsupportedModelException>("quantization_config", "not quantized");
    }

    [Test]
    public void Export_WrongShape_NamesBoth()
    {
        Rewrite(tensors => [.. tensors.Select(tensor => tensor.Name == "model.norm.weight" ? (tensor.Name, [32, 2], tensor.Numbers) : tensor)]);
        Refuses<ModelLoadException>("model.norm.weight", "[64]", "[32, 2]");
    }

    [TestCase("I64", 8)]
    [TestCase("U8", 1)]
    public void Export_WrongType_NamesIt(string dtype, int bytes)
    {
        Header(header =>
        {
            JsonObject entry = header["model.norm.weight"]!.AsObject();
            long begin = (long)entry["data_offsets"]![0]!, end = (long)entry["data_offsets"]![1]!;
            entry["dtype"] = dtype;
            entry["shape"] = new JsonArray((end - begin) / bytes);
        });
        Refuses<ModelLoadException>("model.norm.weight", dtype);
    }

    [TestCase(float.NaN)]
    [TestCase(float.PositiveInfinity)]
    public void Export_NotFinite_NamesTensor(float number)
    {
        Rewrite(tensors =>
        {
            tensors.Single(tensor => tensor.Name == "model.layers.1.self_attn.o_proj.weight").Numbers[77] = number;
            return tensors;
        });
        Refuses<ModelLoadException>("model.layers.1.self_attn.o_proj.weight", "NaN or infinity");
    }

    [TestCase(0)]
    [TestCase(7)]
    [TestCase(2000)]
    [TestCase(-1)]
    public void Export_TruncatedFile_SaysSo(int length)
    {
        using (FileStream file = new(Weights, FileMode.Open))
            file.SetLength(length < 0 ? file.Length + length : length);
        Refuses<ModelLoadException>("model.safetensors", "download the checkpoint again");
    }

    [TestCase(1L << 40)]
    [TestCase(-1L)]
    [TestCase(long.MinValue)]
    public void Export_HeaderLongerThanFile_SaysSo(long headerBytes)
    {
        SafetensorsWriter.WriteRaw(Weights, "{}", [], headerBytes);
        Refuses<ModelLoadException>("header", "follow");
    }

    [Test]
    public void Export_OverlappingTensors_NamesThem()
    {
        Shift("model.norm.weight", -2);
        Refuses<ModelLoadException>("model.norm.weight overlaps");
    }

    [Test]
    public void Export_Hole_NamesIt()
    {
        Rewrite(tensors => tensors, spareBytes: 6);
        Refuses<ModelLoadException>("6 bytes after the last tensor");
    }

    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "a hole of 4 bytes")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "names a twice")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "b overlaps a")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", "data_offsets 8 to 0")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", "leave the 8 bytes")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", "does not take the 8 bytes")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", "expected an array of whole numbers")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}", "does not take")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,1e30]}}", "expected an array of whole numbers")]
    [TestCase("{\"a\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[0,8]}}", "F4 is not supported")]
    [TestCase("{\"a\":{\"dtype\":\"3\",\"shape\":[2],\"data_offsets\":[0,8]}}", "3 is not supported")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "expected dtype, shape and two data_offsets")]
    [TestCase("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", "found x")]
    [TestCase("{\"a\":[[[[[[1]]]]]]}", "not valid JSON")]
    [TestCase("{\"a\":5}", "expected an object")]
    [TestCase("[]", "header: expected a JSON object")]
    [TestCase("{\"a\"", "not valid JSON")]
    public void Export_BadHeader_SaysWhat(string header, string message)
    {
        SafetensorsWriter.WriteRaw(Weights, header, new byte[8]);
        Refuses<ModelLoadException>("model.safetensors", message);
    }

    [Test]
    public void Export_MissingShard_NamesIt()
    {
        Shards();
        File.Delete(Path.Combine(Folder["hf"], "model-00002-of-00003.safetensors"));
        Refuses<ModelLoadException>("model-00002-of-00003.safetensors", "shard is missing");
    }

    [TestCase("../outside.safetensors")]
    [TestCase("/tmp/outside.safetensors")]
    [TestCase("..")]
    [TestCase("")]
    public void Export_ShardElsewhere_Refused(string shard)
    {
        Shards();
        Index(map => map["model.norm.weight"] = shard);
        Refuses<ModelLoadException>("expected file names ending in .safetensors");
    }

    [Test]
    public void Export_IndexNamesUnknownTensor_SaysSo()
    {
        Shards();
        Index(map => map["model.other.weight"] = "model-00001-of-00003.safetensors");
        Refuses<ModelLoadException>("model.other.weight should be in model-00001-of-00003.safetensors");
    }

    [Test]
    public void Export_IndexLacksTensor_SaysSo()
    {
        Shards();
        Index(map => map.Remove("model.norm.weight"));
        Refuses<ModelLoadException>("model.norm.weight, which weight_map does not name");
    }

    [Test]
    public void Export_TensorInTwoShards_SaysSo()
    {
        Shards();
        File.Copy(Path.Combine(Folder["hf"], "model-00001-of-00003.safetensors"), Path.Combine(Folder["hf"], "model-00002-of-00003.safetensors"),
            overwrite: true);
        Refuses<ModelLoadException>("is in another shard too");
    }

    [Test]
    public void Export_MoreThanAnyDiskHolds_SaysSo()
    {
        Config(config =>
        {
            config["hidden_size"] = 1024;
            config["intermediate_size"] = 1 << 24;
            config["num_hidden_layers"] = 1024;
        });
        File.Delete(Weights);
        ExportOptions options = Options with { RandomSeed = 1 };
        ModelLoadException? exception = Assert.Throws<ModelLoadException>(() => Exporter.Export(options));
        TestContext.Out.WriteLine(exception!.Message.Replace(Folder.Path, "…", StringComparison.Ordinal));
        Assert.That(exception.Message, Does.Contain("cannot be written").And.Contain("the weights need 2"));
        Assert.That(Directory.GetFileSystemEntries(Folder.Path).Select(Path.GetFileName), Is.EqualTo(new[] { "hf" }), "nothing is left");
    }

    private void Refuses<TException>(params string[] fragments)
        where TException : Exception
    {
        TException? exception = Assert.Throws<TException>(() => Exporter.Export(Options));
        TestContext.Out.WriteLine(exception!.Message.Replace(Folder.Path, "…", StringComparison.Ordinal));
        foreach (string fragment in fragments)
            Assert.That(exception.Message, Does.Contain(fragment));
        Assert.That(exception.Message, Does.Not.Contain('\n'));
        Assert.That(Directory.GetFileSystemEntries(Folder.Path).Select(Path.GetFileName), Is.SubsetOf(new[] { "hf" }), "nothing is left");
    }

    private void Config(Action<JsonObject> change) => Change("config.json", change);

    private void Preprocessor(Action<JsonObject> change) => Change("preprocessor_config.json", change);

    private void Change(string file, Action<JsonObject> change)
    {
        string path = Path.Combine(Folder["hf"], file);
        JsonObject config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(config);
        File.WriteAllText(path, config.ToJsonString());
    }

    private void Rewrite(Func<(string Name, long[] Shape, float[] Numbers)[], (string Name, long[] Shape, float[] Numbers)[]> change, int spareBytes = 0)
    {
        SafetensorsWriter.Write(Weights, "BF16", change([.. new TinyModel().Tensors().Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]));
        File.WriteAllBytes(Weights, [.. File.ReadAllBytes(Weights), .. new byte[spareBytes]]);
    }

    private void Header(Action<JsonObject> change)
    {
        byte[] file = File.ReadAllBytes(Weights);
        int start = 8 + (int)BitConverter.ToInt64(file);
        JsonObject header = JsonNode.Parse(file.AsSpan(8, start - 8))!.AsObject();
        change(header);
        SafetensorsWriter.WriteRaw(Weights, header.ToJsonString(), file[start..]);
    }

    private void Shift(string tensor, int bytes) => Header(header =>
    {
        JsonArray offsets = header[tensor]!["data_offsets"]!.AsArray();
        offsets[0] = (long)offsets[0]! + bytes;
        offsets[1] = (long)offsets[1]! + bytes;
    });

    private void Shards()
    {
        File.Delete(Weights);
        new TinyModel().Write(Folder["hf"], shards: 3);
    }

    private void Index(Action<JsonObject> change)
    {
        string path = Path.Combine(Folder["hf"], "model.safetensors.index.json");
        JsonObject index = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(index["weight_map"]!.AsObject());
        File.WriteAllText(path, index.ToJsonString());
    }
}
