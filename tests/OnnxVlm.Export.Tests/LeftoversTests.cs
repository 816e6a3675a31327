using System.Text.Json.Nodes;
using OnnxVlm.Export.Tests.Support;

namespace OnnxVlm.Export.Tests;

/// <summary>Leftovers of training tools and other versions of transformers are harmless: a copy of a tied head, and keys without an effect.</summary>
[TestFixture]
public sealed class LeftoversTests : ExportFixture
{
    [TestCase("unified_decoder", "lm_head.weight")]
    [TestCase("gemma4_unified", "lm_head.weight")]
    [TestCase("gemma4_unified", "model.language_model.lm_head.weight")]
    [TestCase("neo_chat", "language_model.lm_head.weight")]
    [TestCase("fuyu", "language_model.lm_head.weight")]
    public void Export_CopyOfTheTiedHead_IsTheExportWithoutIt(string architecture, string head)
    {
        (Dictionary<string, (long[] Shape, float[] Numbers)> tensors, string embedding) = Write(architecture);
        Save(tensors);
        byte[] without = Export(Precision.Fp32), withoutInt4 = Export(Precision.Int4);
        tensors[head] = tensors[embedding];
        Save(tensors);
        Assert.That(Export(Precision.Fp32), Is.EqualTo(without));
        Assert.That(Export(Precision.Int4), Is.EqualTo(withoutInt4));
    }

    [TestCase("unified_decoder")]
    [TestCase("gemma4_unified")]
    [TestCase("neo_chat")]
    [TestCase("fuyu")]
    public void Export_KeysWithoutEffect_AreIgnoredAtEveryDepth(string architecture)
    {
        Save(Write(architecture).Tensors);
        byte[] plain = Export(Precision.Fp32);
        string path = Path.Combine(Folder["hf"], "config.json");
        JsonObject config = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        foreach (JsonObject level in config.Select(entry => entry.Value).OfType<JsonObject>().Append(config).ToArray())
        {
            foreach (string key in new[]
            {
                "unsloth_version", "unsloth_fixed", "_name_or_path", "transformers_version", "use_cache", "torch_dtype", "_attn_implementation",
                "_attn_implementation_internal", "model_name", "peft_type", "axolotl_version", "trl_version", "lora_alpha", "gradient_checkpointing",
                "initializer_range", "transformers.js_config", "pretraining_tp", "use_liger_kernel", "license",
            })
                level[key] ??= "2026.11";
            level["auto_map"] ??= new JsonObject { ["AutoModel"] = "modeling.Model" };
        }

        File.WriteAllText(path, config.ToJsonString());
        Assert.That(Export(Precision.Fp32), Is.EqualTo(plain));
    }

    /// <summary>Writes a small tied checkpoint without its weights.</summary>
    private (Dictionary<string, (long[] Shape, float[] Numbers)> Tensors, string Embedding) Write(string architecture)
    {
        Dictionary<string, (long[] Shape, float[] Numbers)> tensors;
        switch (architecture)
        {
            case "gemma4_unified":
                TinyGemma gemma = new();
                gemma.Write(Folder["hf"]);
                tensors = gemma.Tensors();
                break;
            case "neo_chat":
                TinyNeo neo = new() { Tied = true };
                neo.Write(Folder["hf"]);
                tensors = neo.Tensors();
                break;
            case "fuyu":
                TinyFuyu fuyu = new() { Tied = true };
                fuyu.Write(Folder["hf"]);
                tensors = fuyu.Tensors();
                break;
            default:
                TinyModel model = new() { Tied = true };
                model.Write(Folder["hf"]);
                tensors = model.Tensors();
                break;
        }

        return (tensors, tensors.Keys.Single(key => key.EndsWith(".embed_tokens.weight", StringComparison.Ordinal)));
    }

    private void Save(Dictionary<string, (long[] Shape, float[] Numbers)> tensors) =>
        SafetensorsWriter.Write(
            Path.Combine(Folder["hf"], "model.safetensors"), "F32", [.. tensors.Select(entry => (entry.Key, entry.Value.Shape, entry.Value.Numbers))]);

    /// <summary>The graph and the weights.</summary>
    private byte[] Export(Precision precision)
    {
        Exporter.Export(Options with { Precision = precision, Overwrite = true });
        return [.. File.ReadAllBytes(Path.Combine(Folder["out"], "model.onnx")), .. File.ReadAllBytes(Path.Combine(Folder["out"], "model.onnx.data"))];
    }
}
