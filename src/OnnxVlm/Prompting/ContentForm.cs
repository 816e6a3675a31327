using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>
/// The forms in which a template accepts the content of a message. Templates do not state them, so each form is tried once on a short conversation.
/// </summary>
/// <param name="TakesText">Whether plain text is shown.</param>
/// <param name="TakesParts">Whether a list of parts is shown, and not printed as a Python list.</param>
/// <param name="TakesImages">Whether an image among the parts leaves a trace.</param>
/// <param name="TakesArgumentText">Whether the arguments of a call may be text.</param>
internal sealed record ContentForm(bool TakesText, bool TakesParts, bool TakesImages, bool TakesArgumentText)
{
    private const string Probe = "a1b2c3d4";

    /// <summary>Tries the forms.</summary>
    /// <param name="render">Renders a conversation with one message of the user; null where the template fails.</param>
    public static ContentForm Of(Func<ListValue, string?> render)
    {
        string? text = Try(TemplateValues.Outside(Probe)), parts = Try(new ListValue([TextPart()])), images = Try(new ListValue([ImagePart(), TextPart()]));
        bool takesParts = Shows(parts);
        // If a template fails on all forms, it gets the form that the oldest templates accept.
        return new ContentForm(
            TakesText: Shows(text) || !takesParts, takesParts, takesParts && Shows(images) && images != parts,
            TakesArgumentText: Shows(render(new ListValue([Message("user", TemplateValues.Outside("x")), CallingMessage()]))));

        string? Try(object content) => render(new ListValue([Message("user", content)]));

        static bool Shows(string? rendered) => rendered is not null && rendered.Contains(Probe, StringComparison.Ordinal)
            && !rendered.Contains("'type'", StringComparison.Ordinal) && !rendered.Contains("\"type\"", StringComparison.Ordinal);
    }

    /// <summary>Whether the name of a given tool appears in the prompt.</summary>
    /// <param name="render">Renders a conversation with tools; null where the template fails.</param>
    public static bool DeclaresTools(Func<ListValue, object, string?> render)
    {
        DictValue function = new(), parameters = new(), tool = new();
        parameters.Set("type", TemplateText.Own("object"));
        parameters.Set("properties", new DictValue());
        function.Set("name", TemplateText.Own(Probe));
        function.Set("description", TemplateText.Own("d"));
        function.Set("parameters", parameters);
        tool.Set("type", TemplateText.Own("function"));
        tool.Set("function", function);
        return render(new ListValue([Message("user", TemplateText.Own("x"))]), new ListValue([tool]))?.Contains(Probe, StringComparison.Ordinal) == true;
    }

    private static DictValue Message(string role, object content)
    {
        DictValue message = new();
        message.Set("role", TemplateValues.Role(role));
        message.Set("content", content);
        return message;
    }

    private static DictValue CallingMessage()
    {
        DictValue function = new(), call = new(), message = Message("assistant", TemplateText.Empty);
        function.Set("name", TemplateValues.Outside("f"));
        function.Set("arguments", TemplateValues.Outside(Probe));
        call.Set("type", TemplateText.Own("function"));
        call.Set("id", TemplateValues.Outside("1"));
        call.Set("function", function);
        message.Set("tool_calls", new ListValue([call]));
        return message;
    }

    /// <summary>A part of text.</summary>
    public static DictValue TextPart(string text = Probe)
    {
        DictValue part = new();
        part.Set("type", TemplateText.Own("text"));
        part.Set("text", TemplateValues.Outside(text));
        return part;
    }

    /// <summary>A part that is an image.</summary>
    public static DictValue ImagePart()
    {
        DictValue part = new();
        part.Set("type", TemplateText.Own("image"));
        return part;
    }
}
