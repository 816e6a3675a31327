namespace OnnxVlm.Prompting;

/// <summary>The checkpoint's chat template. Implementations are safe to call from several threads at once.</summary>
public interface IChatTemplate
{
    /// <summary>Renders the messages, and what comes before the model's next answer.</summary>
    /// <param name="messages">Role (<c>system</c>, <c>user</c>, <c>assistant</c>, <c>tool</c>) and content of each message, in order.</param>
    /// <returns>The prompt as text, special tokens spelled out.</returns>
    /// <exception cref="ModelLoadException">The model folder has no template, or the template cannot render these messages.</exception>
    string Render(IReadOnlyList<TemplateMessage> messages);
}
