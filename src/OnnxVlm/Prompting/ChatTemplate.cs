using System.Text.Json;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>
/// The chat template that a checkpoint brings, rendered as Hugging Face's <c>apply_chat_template</c> renders it. A template is a program of a
/// stranger: its steps, its depth and the text that it builds are bounded. Immutable; safe to use from several threads at once.
/// <code>
/// ChatTemplate template = ChatTemplate.Load("onnx-models/nano");
/// RenderedPrompt prompt = template.Render(JsonElement.Parse("""[{"role": "user", "content": "Hello"}]"""));
/// </code>
/// </summary>
public sealed class ChatTemplate
{
    private const string ReasonsName = "enable_thinking", OtherReasonsName = "thinking", FinalTag = "CONTINUE_FINAL_MESSAGE_TAG ";

    // A short conversation takes some thousand steps. Templates that look ahead from each message take more steps per message the longer the conversation is.
    private const long StepsOfAny = 5_000_000, StepsOfMessage = 20_000;

    private readonly JinjaTemplate _template;
    private readonly JinjaTemplate? _toolUse;
    private readonly string _source;
    private readonly IReadOnlyDictionary<string, object> _variables;
    private readonly Lazy<ContentForm> _form;
    private readonly Lazy<bool> _usesTools;

    private ChatTemplate(string source, JinjaTemplate template, JinjaTemplate? toolUse, IReadOnlyDictionary<string, object> variables)
    {
        _source = source;
        _template = template;
        _toolUse = toolUse;
        _variables = variables;
        _form = new Lazy<ContentForm>(() => ContentForm.Of(messages => TryRender(messages, NoneValue.Instance)));
        _usesTools = new Lazy<bool>(() => Templates.Any(used => used.NamesRead.Contains("tools")) && ContentForm.DeclaresTools(TryRender));
    }

    /// <summary>The template as it was written; of several, the default.</summary>
    public string Source => _source;

    /// <summary>Whether the template declares tools itself. If it does not, the chat client describes them in the system message.</summary>
    public bool UsesTools => _usesTools.Value;

    /// <summary>Whether the template can be told to ask for reasoning, or to suppress it.</summary>
    public bool CanReason => Templates.Any(template => template.NamesRead.Contains(ReasonsName) || template.NamesRead.Contains(OtherReasonsName));

    /// <summary>The forms of content that it accepts.</summary>
    internal ContentForm Form => _form.Value;

    private IEnumerable<JinjaTemplate> Templates => _toolUse is null ? [_template] : [_template, _toolUse];

    /// <summary>
    /// Reads the template of a folder: <c>chat_template.jinja</c>, or else that of <c>tokenizer_config.json</c>. If that file has several, the
    /// one named default is used.
    /// </summary>
    /// <param name="folder">A model folder or a checkpoint.</param>
    /// <exception cref="ModelLoadException">There is no template, none of several is the default, a file is damaged, or the template cannot be read;
    /// the message says what to do.</exception>
    public static ChatTemplate Load(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return TryLoad(folder) ?? throw new ModelLoadException(
            $"{folder}: there is no chat template, neither in {TemplateFile.TextName} nor in tokenizer_config.json; " +
            $"put the template that the model was trained with into {TemplateFile.TextName}");
    }

    /// <summary>The same, or null where the folder has no template.</summary>
    /// <param name="folder">A model folder or a checkpoint.</param>
    /// <exception cref="ModelLoadException">As above.</exception>
    public static ChatTemplate? TryLoad(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (TemplateFile.TryLoad(folder) is not { } file)
            return null;
        try
        {
            return new ChatTemplate(
                file.Default, JinjaTemplate.Parse(file.Default), file.ToolUse is null ? null : JinjaTemplate.Parse(file.ToolUse), file.Variables);
        }
        catch (JinjaException e)
        {
            throw new ModelLoadException(
                $"{file.Path}: the chat template cannot be read: {e.Message}; put one that can into {TemplateFile.TextName} beside it", e);
        }
    }

    /// <summary>Reads a template from its text.</summary>
    /// <param name="template">The template.</param>
    /// <param name="specialTokens">The special tokens that it may refer to, for example <c>bos_token</c>; null for none.</param>
    /// <exception cref="ChatTemplateException">The text is not a template.</exception>
    public static ChatTemplate Parse(string template, IReadOnlyDictionary<string, string>? specialTokens = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        Dictionary<string, object> variables = (specialTokens ?? new Dictionary<string, string>()).ToDictionary(
            token => token.Key, token => (object)TemplateText.Own(token.Value), StringComparer.Ordinal);
        try
        {
            return new ChatTemplate(template, JinjaTemplate.Parse(template), null, variables);
        }
        catch (JinjaException e)
        {
            throw new ChatTemplateException(e.Message, e);
        }
    }

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">An array of messages in the form of OpenAI or Hugging Face; their JSON types reach the template unchanged.</param>
    /// <param name="tools">An array of OpenAI's function objects; null for none.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">The messages or the tools are not an array, the options contradict each other, or the template has no
    /// switch for reasoning.</exception>
    /// <exception cref="ChatTemplateException">The template refuses, fails, or exceeds its limits.</exception>
    public RenderedPrompt Render(JsonElement messages, JsonElement? tools = null, ChatTemplateOptions? options = null)
    {
        if (messages.ValueKind != JsonValueKind.Array)
            throw new ArgumentException("Expected an array of messages.", nameof(messages));
        if (tools is { ValueKind: not (JsonValueKind.Array or JsonValueKind.Null) })
            throw new ArgumentException("Expected an array of tools.", nameof(tools));
        return Guarded(() => Render(
            new ListValue([.. messages.EnumerateArray().Select(
                message => message.ValueKind == JsonValueKind.Object ? TemplateValues.Structure(message, (_, _) => null) : TemplateValues.From(message))]),
            TemplateValues.From(tools ?? default),
            options ?? new ChatTemplateOptions()));
    }

    /// <summary>The same for values of the template's language.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="tools">A list of tools, or None.</param>
    /// <param name="options">The options.</param>
    internal RenderedPrompt Render(ListValue messages, object tools, ChatTemplateOptions options) => Guarded(() =>
    {
        if (options.ContinueFinalMessage && options.AddGenerationPrompt)
            throw new ArgumentException("continue_final_message and add_generation_prompt are not compatible; leave one out.");
        if (options.Reasons == true && !CanReason)
            throw new ArgumentException("The model's chat template cannot ask for reasoning; leave it out.");
        TemplateText? final = null;
        if (options.ContinueFinalMessage)
            (messages, final) = AddTag(messages);
        TemplateText text = Run(messages, tools, options);
        if (final is not null)
            text = CutAtTag(text, final);
        bool[] origins = new bool[text.Value.Length];
        text.CopyOrigins(0, origins);
        return new RenderedPrompt(text.Value, origins);
    });

    /// <summary>Converts errors of the template language to the public exception.</summary>
    internal static T Guarded<T>(Func<T> render)
    {
        try
        {
            return render();
        }
        catch (JinjaException e)
        {
            throw new ChatTemplateException(e.Kind == JinjaError.Budget ? $"The chat template is refused: {e.Message}." : e.Message, e);
        }
    }

    private TemplateText Run(ListValue messages, object tools, ChatTemplateOptions options)
    {
        Dictionary<string, object> variables = new(_variables, StringComparer.Ordinal)
        {
            ["messages"] = messages,
            ["tools"] = tools,
            ["documents"] = NoneValue.Instance,
            ["add_generation_prompt"] = options.AddGenerationPrompt,
        };
        if (options.Reasons is { } reasons)
        {
            variables[ReasonsName] = reasons;
            variables[OtherReasonsName] = reasons;
        }
        foreach ((string name, JsonElement value) in options.Variables ?? new Dictionary<string, JsonElement>())
            variables[name] = TemplateValues.From(value);
        int size = messages.Items.Count + ((tools as ListValue)?.Items.Count ?? 0);
        JinjaTemplate template = _toolUse is not null && tools is not NoneValue ? _toolUse : _template;
        return template.Render(variables, TemplateLimits.Default with { MaxSteps = StepsOfAny + (StepsOfMessage * size) }, DateTimeOffset.Now, out _);
    }

    private string? TryRender(ListValue messages, object tools)
    {
        try
        {
            return Run(messages, tools, new ChatTemplateOptions()).Value;
        }
        catch (JinjaException)
        {
            return null;
        }
    }

    // Hugging Face marks the end of the last message's text and cuts the prompt at the mark.
    private (ListValue Messages, TemplateText Final) AddTag(ListValue messages)
    {
        if (messages.Items.Count == 0 || messages.Items[^1] is not DictValue last)
            throw JinjaException.Value("continue_final_message is set but there is no final message to continue!");
        if (!last.TryGet(TemplateText.Own("content"), out object content) || content is NoneValue)
            throw JinjaException.Value("continue_final_message is set but the final message has no \"content\" to continue!");
        if (!_source.Contains("content", StringComparison.Ordinal))
            throw JinjaException.Value("continue_final_message is set to \"content\" but this is not an accepted field in the chat_template");
        (object tagged, TemplateText final) = Tag(content);
        DictValue message = new();
        for (int i = 0; i < last.Count; i++)
            message.Set(last.At(i).Key, last.At(i).Value);
        message.Set("content", tagged);
        return (new ListValue([.. messages.Items.Take(messages.Items.Count - 1), message]), final);
    }

    private static (object Tagged, TemplateText Final) Tag(object content)
    {
        TemplateBudget budget = new(TemplateLimits.Default);
        if (content is TemplateText text)
            return (new TemplateTextBuilder(budget).Append(text).AppendOwn(FinalTag).ToText(), text);
        object[] parts = content is ListValue list ? [.. list.Items] : [];
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            if (parts[i] is not DictValue part || !part.TryGet(TemplateText.Own("text"), out object value) || value is not TemplateText words)
                continue;
            DictValue tagged = new();
            for (int entry = 0; entry < part.Count; entry++)
                tagged.Set(part.At(entry).Key, part.At(entry).Value);
            tagged.Set("text", new TemplateTextBuilder(budget).Append(words).AppendOwn(FinalTag).ToText());
            parts[i] = tagged;
            return (new ListValue(parts), words);
        }
        throw JinjaException.Value("continue_final_message is set but we could not find any text to continue in the final message!");
    }

    private static TemplateText CutAtTag(TemplateText text, TemplateText final)
    {
        string tag = FinalTag.TrimEnd();
        int cut = text.Value.LastIndexOf(tag, StringComparison.Ordinal);
        // A message may also contain the tag, but only ours is from the template.
        while (cut > 0 && !text.IsFromTemplate(cut))
            cut = text.Value.LastIndexOf(tag, cut - 1, StringComparison.Ordinal);
        if (cut < 0 || !text.Value.Contains(PythonText.Strip(final.Value), StringComparison.Ordinal))
            throw JinjaException.Value("continue_final_message is set but the final message does not appear in the chat after applying the chat template!");
        bool keepsBlanks = text.Value.AsSpan(cut).StartsWith(FinalTag, StringComparison.Ordinal);
        TemplateText kept = text.Slice(0, cut);
        return keepsBlanks ? kept : StringMethods.Strip(kept, null, atStart: false, atEnd: true);
    }
}
