namespace OnnxVlm;

/// <summary>Base of every error that comes from data: a model folder, an image, a prompt. Mistakes of the calling code are BCL argument exceptions instead.</summary>
public class VlmException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: what is wrong, what was expected and found, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public VlmException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
