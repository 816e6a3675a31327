using System.Text.Encodings.Web;
using System.Text.Json;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.FolderWriting;

/// <summary>
/// <c>genai_config.json</c>, which ONNX Runtime GenAI reads. GenAI throws on keys that it does not know, and its parser accepts no \u escapes.
/// </summary>
internal static class GenAIConfig
{
    public const string FileName = "genai_config.json";

    public static void Write(string path, ModelDescription model, GenerationDefaults defaults)
    {
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        using Utf8JsonWriter json = new(file, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        WriteModel(json, model, defaults);
        WriteSearch(json, model, defaults);
        json.WriteEndObject();
        json.Flush();
        file.WriteByte((byte)'\n');
    }

    private static void WriteModel(Utf8JsonWriter json, ModelDescription model, GenerationDefaults defaults)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "decoder");
        json.WriteNumber("context_length", model.ContextLength);
        json.WriteNumber("vocab_size", model.Vocabulary);
        if (model.BeginTokenId is int begin)
            json.WriteNumber("bos_token_id", begin);
        json.WriteStartArray("eos_token_id");
        foreach (int end in defaults.EndTokenIds)
            json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteNumber("pad_token_id", model.PaddingTokenId ?? defaults.EndTokenIds[0]);

        json.WriteStartObject("decoder");
        json.WriteString("filename", GraphBuilder.ModelFile);
        json.WriteNumber("head_size", model.Attention.StoredHeadSize);
        json.WriteNumber("hidden_size", model.Attention.Hidden);
        json.WriteNumber("num_attention_heads", model.Attention.Heads);
        json.WriteNumber("num_hidden_layers", model.Layers);
        json.WriteNumber("num_key_value_heads", model.Attention.KeyValueHeads);
        WriteNames(
            json, "inputs", ("input_ids", "input_ids"), ("attention_mask", "attention_mask"),
            ("past_key_names", "past_key_values.%d.key"), ("past_value_names", "past_key_values.%d.value"));
        WriteNames(json, "outputs", ("logits", "logits"), ("present_key_names", "present.%d.key"), ("present_value_names", "present.%d.value"));
        json.WriteStartObject("session_options");
        json.WriteString("log_id", "onnxvlm");
        json.WriteStartArray("provider_options");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSearch(Utf8JsonWriter json, ModelDescription model, GenerationDefaults defaults)
    {
        json.WriteStartObject("search");
        json.WriteNumber("max_length", model.ContextLength);
        json.WriteBoolean("past_present_share_buffer", true);
        json.WriteBoolean("do_sample", defaults.Sample);
        json.WriteNumber("temperature", defaults.Temperature);
        json.WriteNumber("top_k", defaults.TopK);
        json.WriteNumber("top_p", defaults.TopP);
        json.WriteNumber("repetition_penalty", defaults.RepetitionPenalty);
        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, string section, params ReadOnlySpan<(string Key, string Name)> names)
    {
        json.WriteStartObject(section);
        foreach ((string key, string name) in names)
            json.WriteString(key, name);
        json.WriteEndObject();
    }
}
