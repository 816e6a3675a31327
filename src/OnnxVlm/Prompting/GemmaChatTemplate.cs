using System.Text;
using System.Text.Json;

namespace OnnxVlm.Prompting;

/// <summary>
/// The turns of Gemma 4: <c>&lt;|turn&gt;role</c>, a line break, the content, <c>&lt;turn|&gt;</c> and a line break, after one token that begins the text. An assistant is called model. Reasoning is
/// asked for in the system turn, and stands in a channel of its own; where none is wanted, an empty channel says so. The checkpoint's template is a program of many macros, most of it about
/// tools, which the runtime's template engine does not understand in all versions; what of it depends on the model is read from its text.
/// </summary>
internal sealed class GemmaChatTemplate : IChatTemplate
{
    private const string TurnStart = "<|turn>", TurnEnd = "<turn|>\n", Think = "<|think|>", NoReasoning = "<|channel>thought\n<channel|>";

    private readonly string _begin;
    private readonly string _think;
    private readonly string _withoutReasoning;

    private GemmaChatTemplate(string begin, string think, string withoutReasoning)
    {
        _begin = begin;
        _think = think;
        _withoutReasoning = withoutReasoning;
    }

    /// <inheritdoc />
    public bool TrimsTexts => true;

    /// <summary>Reads the template of a <c>tokenizer_config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <returns>Null where it is another template, or none.</returns>
    /// <exception cref="ModelLoadException">The file is missing or damaged.</exception>
    public static GemmaChatTemplate? TryLoad(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument document = JsonDocument.Parse(stream);
            string? template = Text(document.RootElement, "chat_template"), begin = Text(document.RootElement, "bos_token");
            return template is null ? null : TryParse(template, begin);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new ModelLoadException($"{path} could not be read: {e.Message} Export or copy the model folder again.", e);
        }
    }

    /// <inheritdoc />
    public string Render(IReadOnlyList<TemplateMessage> messages) => Render(messages, reasons: false);

    /// <inheritdoc />
    public string Render(IReadOnlyList<TemplateMessage> messages, bool reasons)
    {
        if (reasons && _think.Length == 0)
            throw new ArgumentException("The model's chat template cannot ask for reasoning; leave it out.", nameof(reasons));
        StringBuilder text = new(_begin);
        bool hasSystem = messages.Count > 0 && messages[0].Role is "system" or "developer";
        if (hasSystem || reasons)
            text.Append(TurnStart).Append("system\n").Append(reasons ? _think : "").Append(hasSystem ? messages[0].Content : "").Append(TurnEnd);
        foreach (TemplateMessage message in messages.Skip(hasSystem ? 1 : 0))
            text.Append(TurnStart).Append(message.Role == "assistant" ? "model" : message.Role).Append('\n').Append(message.Content).Append(TurnEnd);
        return text.Append(TurnStart).Append("model\n").Append(reasons ? "" : _withoutReasoning).ToString();
    }

    /// <summary>Reads a template; null where it is of another kind.</summary>
    internal static GemmaChatTemplate? TryParse(string template, string? beginToken)
    {
        // Jinja's literals spell line breaks as \n.
        string text = template.Replace("\\n", "\n", StringComparison.Ordinal);
        if (!text.Contains(TurnStart, StringComparison.Ordinal) || !text.Contains(TurnEnd, StringComparison.Ordinal))
            return null;
        bool begins = beginToken is not null && (text.Contains("bos_token", StringComparison.Ordinal) || text.Contains(beginToken, StringComparison.Ordinal));
        string think = text.Contains(Think + "\n'", StringComparison.Ordinal) || text.Contains(Think + "\n\"", StringComparison.Ordinal) ? Think + "\n" : text.Contains(Think, StringComparison.Ordinal) ? Think : "";
        return new GemmaChatTemplate(begins ? beginToken! : "", think, text.Contains(NoReasoning, StringComparison.Ordinal) ? NoReasoning : "");
    }

    // Older files write a special token as an object.
    private static string? Text(JsonElement root, string key) =>
        !root.TryGetProperty(key, out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out JsonElement content) ? content.GetString()
        : value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
