namespace OnnxVlm.Prompting;

/// <summary>A chat template refuses a conversation, or fails on it. The message is the template's own, or the one of Jinja or Python.</summary>
public sealed class ChatTemplateException : VlmException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">The message, on one line.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public ChatTemplateException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
