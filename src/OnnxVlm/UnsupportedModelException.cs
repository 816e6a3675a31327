namespace OnnxVlm;

/// <summary>A checkpoint or a model folder is well formed, but asks for something that this version does not implement.</summary>
public sealed class UnsupportedModelException : VlmException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: what is wrong, what was expected and found, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public UnsupportedModelException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
