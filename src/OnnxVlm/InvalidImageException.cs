namespace OnnxVlm;

/// <summary>An image cannot be read, or its size is outside the limits.</summary>
public sealed class InvalidImageException : VlmException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: what is wrong, what was expected and found, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public InvalidImageException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
