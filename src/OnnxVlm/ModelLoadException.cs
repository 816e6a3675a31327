namespace OnnxVlm;

/// <summary>A model folder or a checkpoint is missing, damaged or inconsistent.</summary>
public sealed class ModelLoadException : VlmException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: what is wrong, what was expected and found, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public ModelLoadException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
