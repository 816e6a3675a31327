namespace OnnxVlm;

/// <summary>A prompt and the tokens to generate do not fit into the model's context.</summary>
public sealed class PromptTooLongException : VlmException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: what is wrong, what was expected and found, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public PromptTooLongException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
