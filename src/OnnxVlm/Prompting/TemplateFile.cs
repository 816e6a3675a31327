using System.Text.Json;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>
/// The chat template of a folder, and the special tokens that it may refer to. <c>chat_template.jinja</c> takes precedence over <c>chat_template.json</c>
/// (older processors), and that over the key of <c>tokenizer_config.json</c>, which may be one template or a list of named ones.
/// </summary>
internal sealed record TemplateFile(string Path, string Default, string? ToolUse, IReadOnlyDictionary<string, object> Variables)
{
    public const string TextName = "chat_template.jinja";

    private const string SettingsName = "tokenizer_config.json", ProcessorName = "chat_template.json", MapName = "special_tokens_map.json";

    // The limit is generous: a template is far below a megabyte, but the settings of a tokenizer list all added tokens.
    private const long MaxBytes = 64 << 20;

    private static readonly string[] TokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Reads the files of a folder.</summary>
    /// <returns>The template; null where the folder has none.</returns>
    /// <exception cref="ModelLoadException">A file is damaged, or there are several templates and none is the default.</exception>
    public static TemplateFile? TryLoad(string folder)
    {
        Dictionary<string, object> variables = new(StringComparer.Ordinal);
        string settingsPath = System.IO.Path.Combine(folder, SettingsName);
        string textPath = System.IO.Path.Combine(folder, TextName);
        string processorPath = System.IO.Path.Combine(folder, ProcessorName);
        JsonElement settings = ReadObject(settingsPath);
        AddTokens(settings, variables);
        AddTokens(ReadObject(System.IO.Path.Combine(folder, MapName)), variables);
        if (File.Exists(textPath))
            return new TemplateFile(textPath, Guarded(textPath, () => File.ReadAllText(textPath)), null, variables);
        foreach ((string path, JsonElement file) in new[] { (processorPath, ReadObject(processorPath)), (settingsPath, settings) })
        {
            if (file.ValueKind == JsonValueKind.Object
                && file.TryGetProperty("chat_template", out JsonElement template) && template.ValueKind != JsonValueKind.Null)
                return Choose(path, template, variables);
        }
        return null;
    }

    private static TemplateFile Choose(string path, JsonElement template, IReadOnlyDictionary<string, object> variables)
    {
        if (template.ValueKind == JsonValueKind.String)
            return new TemplateFile(path, template.GetString()!, null, variables);
        Dictionary<string, string> named = new(StringComparer.Ordinal);
        foreach ((JsonElement name, JsonElement text) in Named(template))
        {
            if (name.ValueKind != JsonValueKind.String || text.ValueKind != JsonValueKind.String)
                throw Unexpected(path);
            named[name.GetString()!] = text.GetString()!;
        }
        if (!named.TryGetValue("default", out string? found))
        {
            throw new ModelLoadException(
                $"{path}: chat_template: expected a template named default, found {(named.Count == 0 ? "none" : string.Join(", ", named.Keys))}; "
                + $"put the one to use into {TextName} beside it");
        }
        return new TemplateFile(path, found, named.GetValueOrDefault("tool_use"), variables);
    }

    // A list of {"name", "template"}, or an object of templates.
    private static IEnumerable<(JsonElement Name, JsonElement Text)> Named(JsonElement template) => template.ValueKind switch
    {
        JsonValueKind.Array => template.EnumerateArray().Select(
            entry => entry.ValueKind == JsonValueKind.Object
                && entry.TryGetProperty("name", out JsonElement name) && entry.TryGetProperty("template", out JsonElement text) ? (name, text) : default),
        JsonValueKind.Object => template.EnumerateObject().Select(
            entry => (JsonSerializer.SerializeToElement(entry.Name, TemplateJson.Default.String), entry.Value)),
        _ => [default],
    };

    // Special tokens count as the template's own text, so that they become these tokens.
    private static void AddTokens(JsonElement settings, Dictionary<string, object> variables)
    {
        if (settings.ValueKind != JsonValueKind.Object)
            return;
        foreach (string name in TokenNames)
        {
            if (settings.TryGetProperty(name, out JsonElement token) && TextOf(token) is { } text)
                variables.TryAdd(name, TemplateText.Own(text));
        }
        if (settings.TryGetProperty("additional_special_tokens", out JsonElement more) && more.ValueKind == JsonValueKind.Array)
            variables.TryAdd("additional_special_tokens", new ListValue([.. more.EnumerateArray().Select(TextOf).OfType<string>().Select(TemplateText.Own)]));
        if (settings.TryGetProperty("extra_special_tokens", out JsonElement extra) && extra.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty token in extra.EnumerateObject())
            {
                if (TextOf(token.Value) is { } text)
                    variables.TryAdd(token.Name, TemplateText.Own(text));
            }
        }
    }

    // Older files write a token as an object.
    private static string? TextOf(JsonElement token) =>
        token.ValueKind == JsonValueKind.Object && token.TryGetProperty("content", out JsonElement content)
            ? TextOf(content)
            : token.ValueKind == JsonValueKind.String ? token.GetString() : null;

    private static JsonElement ReadObject(string path)
    {
        if (!File.Exists(path))
            return default;
        return Guarded(path, () =>
        {
            if (new FileInfo(path).Length > MaxBytes)
                throw new ModelLoadException($"{path}: expected at most {MaxBytes} bytes; export or copy the model folder again");
            JsonElement root = JsonElement.Parse(File.ReadAllBytes(path));
            return root.ValueKind == JsonValueKind.Object
                ? root
                : throw new ModelLoadException($"{path}: expected a JSON object; export or copy the model folder again");
        });
    }

    private static T Guarded<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new ModelLoadException($"{path} could not be read: {e.Message} Export or copy the model folder again.", e);
        }
    }

    private static ModelLoadException Unexpected(string path) =>
        new($"{path}: chat_template: expected a text, or a list of {{\"name\": …, \"template\": …}}; put the one to use into {TextName} beside it");
}
