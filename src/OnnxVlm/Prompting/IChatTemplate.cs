namespace OnnxVlm.Prompting;

/// <summary>The checkpoint's chat template. Implementations are safe to call from several threads at once.</summary>
public interface IChatTemplate
{
    /// <summary>Renders the messages, and what comes before the model's next answer.</summary>
    /// <param name="messages">Role (<c>system</c>, <c>user</c>, <c>assistant</c>, <c>tool</c>) and content of each message, in order.</param>
    /// <returns>The prompt as text, special tokens spelled out.</returns>
    /// <exception cref="ModelLoadException">The model folder has no template, or the template cannot render these messages.</exception>
    string Render(IReadOnlyList<TemplateMessage> messages);

    /// <summary>Renders the messages for an answer with or without reasoning before it. By default a template has no say in that.</summary>
    /// <param name="messages">As above.</param>
    /// <param name="reasons">Whether the model is to reason first.</param>
    /// <returns>The prompt as text.</returns>
    /// <exception cref="ArgumentException">The template cannot ask for reasoning.</exception>
    string Render(IReadOnlyList<TemplateMessage> messages, bool reasons) =>
        reasons ? throw new ArgumentException("The model's chat template cannot ask for reasoning; leave it out.") : Render(messages);

    /// <summary>Whether blanks at both ends of each text of a message are dropped, which models can be trained with. Default false.</summary>
    bool TrimsTexts => false;
}
