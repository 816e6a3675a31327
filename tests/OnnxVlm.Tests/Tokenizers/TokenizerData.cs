using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>
/// Tokenizers of many settings. Four are files in <c>tests/data/tokenizers</c>, the others are these with some keys changed; the ids that Hugging Face's library 0.22.2 gives for
/// <c>variants-texts.json</c> are in <c>variant-NAME.json</c>.
/// </summary>
internal static class TokenizerData
{
    private const string LlamaPattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly JsonNode PrependAndReplace = Node("""{"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}""");

    private static readonly string Folder = Path.Combine(Nano.Root, "tests", "data", "tokenizers");

    public static string[] Names { get; } =
        ["added2", "digits", "gemmaT", "gemmaT_unk", "llama2T", "nfc", "prefix", "qwen35", "splitnext", "splitrem", "splitstr", "uniFuyu", "uniFuyu_unk", "uniMeta"];

    public static string[] Texts { get; } = JsonSerializer.Deserialize<string[]>(File.ReadAllBytes(Path.Combine(Folder, "variants-texts.json")))!;

    /// <summary>The ids of each text: with special tokens, and with their texts as text.</summary>
    public static (int[][] Ids, int[][] AsText) Expected(string name)
    {
        JsonNode root = Node(File.ReadAllText(Path.Combine(Folder, $"variant-{name}.json")));
        int[][] ids = root["ids"].Deserialize<int[][]>()!;
        Dictionary<string, int[]> asText = root["ids_special_as_text"].Deserialize<Dictionary<string, int[]>>()!;
        return (ids, [.. ids.Select((same, i) => asText.GetValueOrDefault(i.ToString(CultureInfo.InvariantCulture), same))]);
    }

    public static HuggingFaceTokenizer Load(string name) => Parse(Json(name));

    public static HuggingFaceTokenizer Parse(JsonNode json) => HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()));

    /// <summary>A file of the folder, or one of the variants.</summary>
    public static JsonNode Json(string name)
    {
        JsonNode json = Node(File.ReadAllText(Path.Combine(Folder, $"{name.Split('_')[0] switch { "added2" => "added2", "gemmaT" or "llama2T" => "gemmaT", "uniFuyu" or "uniMeta" => "uniFuyu", _ => "nano" }}.tokenizer.json")));
        if (name.EndsWith("_unk", StringComparison.Ordinal))
            json["model"]!["byte_fallback"] = false;
        switch (name)
        {
            case "nfc":
                json["normalizer"] = Node("""{"type": "NFC"}""");
                break;
            case "qwen35":
                json["normalizer"] = Node("""{"type": "NFC"}""");
                json["pre_tokenizer"] = Sequence(Regex(LlamaPattern, "Isolated"), ByteLevel());
                break;
            case "prefix":
                json["pre_tokenizer"] = Sequence(json["pre_tokenizer"]!["pretokenizers"]![0]!.DeepClone(), ByteLevel(prefix: true));
                break;
            case "digits":
                json["pre_tokenizer"] = Sequence(Node("""{"type": "Digits", "individual_digits": true}"""), json["pre_tokenizer"]!["pretokenizers"]![0]!.DeepClone(), ByteLevel());
                break;
            case "splitstr":
                json["pre_tokenizer"] = Sequence(Literal(" ", "MergedWithPrevious"), ByteLevel());
                break;
            case "splitnext":
                json["pre_tokenizer"] = Sequence(Literal(" ", "MergedWithNext"), ByteLevel());
                break;
            case "splitrem":
                json["pre_tokenizer"] = Sequence(Regex(@"\s+", "Removed"), ByteLevel());
                break;
            case "llama2T":
                json["normalizer"] = PrependAndReplace.DeepClone();
                json["pre_tokenizer"] = null;
                break;
            case "uniMeta":
                json["normalizer"] = null;
                json["pre_tokenizer"] = Node("""{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}""");
                break;
        }
        return json;
    }

    public static JsonNode Node(string json) => JsonNode.Parse(json)!;

    public static JsonNode Sequence(params JsonNode[] steps) => new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(steps) };

    public static JsonNode ByteLevel(bool prefix = false) => new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = prefix, ["trim_offsets"] = true, ["use_regex"] = false };

    public static JsonNode Regex(string pattern, string behavior, bool invert = false) => Split("Regex", pattern, behavior, invert);

    public static JsonNode Literal(string text, string behavior, bool invert = false) => Split("String", text, behavior, invert);

    private static JsonObject Split(string kind, string pattern, string behavior, bool invert) =>
        new() { ["type"] = "Split", ["pattern"] = new JsonObject { [kind] = pattern }, ["behavior"] = behavior, ["invert"] = invert };
}
