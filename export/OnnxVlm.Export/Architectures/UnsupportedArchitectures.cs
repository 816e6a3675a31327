using OnnxVlm.Export.HuggingFace;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// Why a checkpoint without an architecture file cannot be exported. Most vision-language models have a vision encoder. It shows in the
/// <c>model_type</c>, or in keys that only a configuration with an encoder has.
/// </summary>
internal static class UnsupportedArchitectures
{
    /// <summary>
    /// Models whose images go through an encoder: transformers' <c>model_type</c> values, which are also the beginnings of derived checkpoints' types.
    /// </summary>
    private static readonly string[] WithEncoder =
    [
        "aria", "aya_vision", "blip", "cogvlm", "cohere2_vision", "deepseek_vl", "ernie4_5_vl", "florence", "gemma3", "gemma4", "git", "glm4v",
        "glm4_5v", "got_ocr", "idefics", "instructblip", "internvl", "keye", "kimi_vl", "kosmos", "lfm2_vl", "llama4", "llava", "minicpmv",
        "mistral3", "mllama", "molmo", "moondream", "ovis", "paligemma", "perception_lm", "phi3_v", "phi4mm", "phi4_multimodal", "pixtral",
        "qwen2_vl", "qwen2_5_vl", "qwen2_5_omni", "qwen3_vl", "qwen3_5", "qwen3_omni", "smolvlm", "step3", "udop", "video_llava", "vipllava",
    ];

    private const string Exported = $"and of such models OnnxVlm exports {Qwen35.ModelType} only";

    /// <summary>Models whose images become codes of an image tokenizer, which is a network of its own.</summary>
    private static readonly string[] WithCodes = ["chameleon", "emu3", "janus", "multi_modality"];

    /// <summary>Models without images.</summary>
    private static readonly string[] TextOnly =
    [
        "bert", "bloom", "cohere", "deepseek_v", "falcon", "gemma", "gpt", "granite", "llama", "mamba", "mistral", "mixtral", "mpt", "olmo", "opt",
        "persimmon", "phi", "qwen", "smollm", "stablelm", "starcoder", "t5",
    ];

    private static readonly string[] EncoderKeys =
        ["vision_tower", "mm_vision_tower", "mm_vision_select_layer", "vision_encoder", "vision_tower_config", "vision_feature_layer", "visual", "vit_config"];

    private static readonly string[] LayerKeys = ["num_hidden_layers", "depth", "layers", "num_layers"];

    /// <summary>The reason, worded to follow the name of the model.</summary>
    /// <param name="config">The checkpoint's config.json.</param>
    /// <param name="modelType">Its <c>model_type</c>.</param>
    public static string Reason(HfConfig config, string modelType)
    {
        if (Encoder(config) is string found)
            return $"it has a vision encoder ({found}), {Exported}";
        if (Is(WithEncoder, modelType))
            return $"it has a vision encoder, {Exported}";
        if (Is(WithCodes, modelType))
            return "it has an image tokenizer, a network of its own before the decoder, and OnnxVlm exports models that read pixels";
        return Is(TextOnly, modelType) && !config.Has("vision_config")
            ? "it reads text only, and OnnxVlm exports models that read images"
            : "it is not implemented";
    }

    /// <summary>The part of a configuration that shows an encoder; null for none.</summary>
    private static string? Encoder(HfConfig config)
    {
        if (EncoderKeys.FirstOrDefault(config.Has) is string key)
            return key;
        if (!config.Has("vision_config"))
            return null;
        HfConfig vision = config.Section("vision_config");
        string kind = vision.OptionalText("model_type") ?? "vision_config";
        return LayerKeys.FirstOrDefault(vision.Has) is string layers && vision.Optional<int>(layers) is int count
            ? $"{kind} of {count} layers"
            : vision.Has("model_type") ? kind : null;
    }

    private static bool Is(string[] kinds, string modelType) => kinds.Any(kind => modelType.StartsWith(kind, StringComparison.OrdinalIgnoreCase));
}
