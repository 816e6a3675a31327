using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>A conversation in the form that a chat template accepts, and the images in it, in order.</summary>
internal sealed class TemplateConversation
{
    /// <summary>
    /// Marks the place of an image in a text for templates that do not support images. The mark counts as the template's text, so that the same
    /// character in a message is only a character. Unicode reserves it for such uses.
    /// </summary>
    public const char ImageMark = '\uFDD0';

    private static readonly TemplateText Mark = TemplateText.Own(ImageMark.ToString());

    private readonly ContentForm _form;
    private readonly List<object> _messages = [];
    private readonly List<ReadOnlyMemory<byte>?> _images = [];

    private TemplateConversation(ContentForm form) => _form = form;

    /// <summary>The messages.</summary>
    public ListValue Messages => new(_messages);

    /// <summary>The encoded images; null for an image of which only the place is known.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>?> Images => _images;

    /// <summary>Converts messages of Microsoft.Extensions.AI.</summary>
    /// <param name="messages">The messages: text, images, and in their roles function calls, results and reasoning.</param>
    /// <param name="form">The forms of content that the template accepts.</param>
    /// <exception cref="ArgumentException">There is no message, a message of the user is empty, or the model cannot read a content.</exception>
    public static TemplateConversation From(IEnumerable<ChatMessage> messages, ContentForm form)
    {
        TemplateConversation conversation = new(form);
        Dictionary<string, string> names = new(StringComparer.Ordinal);
        foreach (ChatMessage message in messages)
            conversation.Add(message, names);
        return conversation._messages.Count > 0
            ? conversation
            : throw new ArgumentException("There is no message; give the model at least one.", nameof(messages));
    }

    /// <summary>
    /// Converts messages in JSON. Their contents reach the template unchanged, except that an image becomes a part of its kind without its bytes.
    /// </summary>
    /// <param name="messages">An array.</param>
    /// <param name="form">The forms of content that the template accepts.</param>
    /// <exception cref="ArgumentException">An image is not given as a data: URI.</exception>
    public static TemplateConversation From(JsonElement messages, ContentForm form)
    {
        TemplateConversation conversation = new(form);
        foreach (JsonElement message in messages.EnumerateArray())
            conversation._messages.Add(
                message.ValueKind == JsonValueKind.Object ? TemplateValues.Structure(message, conversation.Replace) : TemplateValues.From(message));
        return conversation;
    }

    private void Add(ChatMessage message, Dictionary<string, string> names)
    {
        List<AIContent> contents = [];
        List<object> calls = [];
        string reasoning = "";
        bool hasResults = false;
        foreach (AIContent content in message.Contents)
        {
            switch (content)
            {
                case FunctionCallContent call:
                    names[call.CallId] = call.Name;
                    calls.Add(Call(call));
                    break;
                case FunctionResultContent result:
                    // Each result becomes a message of its own, whatever message it came in.
                    AddMessage(ChatRole.Tool, [.. FunctionResults.ContentsOf(result)], entry =>
                    {
                        entry.Set("tool_call_id", TemplateValues.Outside(result.CallId));
                        if (names.TryGetValue(result.CallId, out string? name))
                            entry.Set("name", TemplateValues.Outside(name));
                    });
                    hasResults = true;
                    break;
                case TextReasoningContent thought:
                    reasoning += thought.Text;
                    break;
                case UsageContent:
                    break;
                default:
                    contents.Add(content);
                    break;
            }
        }
        if (hasResults && contents.Count == 0 && calls.Count == 0)
            return;
        AddMessage(message.Role, contents, entry =>
        {
            if (reasoning.Length > 0)
                entry.Set("reasoning_content", TemplateValues.Outside(reasoning));
            if (calls.Count > 0)
                entry.Set("tool_calls", new ListValue(calls));
        });
    }

    private void AddMessage(ChatRole role, List<AIContent> contents, Action<DictValue> addMore)
    {
        contents.RemoveAll(content => content is TextContent { Text: null or "" });
        if (contents.Count == 0 && role == ChatRole.User)
            throw new ArgumentException("The prompt is empty; give the model some text or an image.");
        DictValue entry = new();
        entry.Set("role", TemplateValues.Role(role.Value));
        entry.Set("content", Content(role, contents));
        addMore(entry);
        _messages.Add(entry);
    }

    private object Content(ChatRole role, List<AIContent> contents)
    {
        bool hasImages = contents.Exists(content => content is not TextContent);
        // Templates expect parts mainly from the user; content that is only text elsewhere is passed as text.
        bool asParts = hasImages ? _form.TakesImages : !_form.TakesText || (_form.TakesParts && role == ChatRole.User && contents.Count > 1);
        if (!asParts)
            return Flat(contents.Select(content => content is TextContent text ? TemplateValues.Outside(text.Text) : Image(content, Mark)));
        return new ListValue(
            [.. contents.Select(content => content is TextContent text ? ContentForm.TextPart(text.Text) : Image(content, ContentForm.ImagePart()))]);
    }

    private T Image<T>(AIContent content, T stand)
    {
        if (content is not DataContent image || !image.HasTopLevelMediaType("image"))
            throw new ArgumentException($"The model reads text and images, and cannot read {content.GetType().Name}.", nameof(content));
        _images.Add(image.Data);
        return stand;
    }

    private static TemplateText Flat(IEnumerable<TemplateText> texts)
    {
        TemplateTextBuilder flat = new(new TemplateBudget(TemplateLimits.Default with { MaxCharacters = int.MaxValue }));
        foreach (TemplateText text in texts)
            flat.Append(text);
        return flat.ToText();
    }

    private DictValue Call(FunctionCallContent call)
    {
        DictValue function = new(), entry = new();
        function.Set("name", TemplateValues.Outside(call.Name));
        function.Set("arguments", FunctionArguments.TextOf(call) is { } text
            ? ArgumentText(text)
            : TemplateValues.From(ChatJson.ToElement(call.Arguments ?? new Dictionary<string, object?>())));
        entry.Set("type", TemplateText.Own("function"));
        entry.Set("id", TemplateValues.Outside(call.CallId));
        entry.Set("function", function);
        return entry;
    }

    // What could not be parsed stays the text that the model wrote; a template that refuses text gets it as the only argument.
    private object ArgumentText(string text)
    {
        if (_form.TakesArgumentText)
            return TemplateValues.Outside(text);
        DictValue arguments = new();
        arguments.Set("arguments", TemplateValues.Outside(text));
        return arguments;
    }

    // The content of a message in JSON: a list of parts, from which images are taken out.
    private object? Replace(string name, JsonElement value)
    {
        if (name != "content" || value.ValueKind != JsonValueKind.Array)
            return null;
        List<object> parts = [.. value.EnumerateArray().Select(Part)];
        bool hasImages = parts.Exists(part => part is DictValue dict && IsImage(dict));
        if (hasImages ? _form.TakesImages : _form.TakesParts)
            return new ListValue(parts);
        // A template without support for parts would print them as Python does, or print nothing.
        return parts.TrueForAll(part => part is DictValue dict && (IsImage(dict) || TextOf(dict) is not null))
            ? Flat(parts.Select(part => TextOf((DictValue)part) ?? Mark))
            : new ListValue(parts);
    }

    private object Part(JsonElement part)
    {
        if (part.ValueKind != JsonValueKind.Object || !part.TryGetProperty("type", out JsonElement kind)
            || kind.ValueKind != JsonValueKind.String || kind.GetString() is not ("image" or "image_url"))
            return part.ValueKind == JsonValueKind.Object ? TemplateValues.Structure(part, (_, _) => null) : TemplateValues.From(part);
        _images.Add(ImageData.Of(part));
        return ContentForm.ImagePart();
    }

    private static bool IsImage(DictValue part) => part.TryGet(TemplateText.Own("type"), out object kind) && kind is TemplateText { Value: "image" };

    private static TemplateText? TextOf(DictValue part) => part.TryGet(TemplateText.Own("text"), out object text) ? text as TemplateText : null;
}
