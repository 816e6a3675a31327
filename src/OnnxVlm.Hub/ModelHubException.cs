namespace OnnxVlm.Hub;

/// <summary>
/// A model cannot be pulled. An error in the checkpoint itself is a <see cref="ModelLoadException"/> or an <see cref="UnsupportedModelException"/>.
/// </summary>
public sealed class ModelHubException : VlmException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">The kind of error.</param>
    /// <param name="message">One line: what is wrong, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public ModelHubException(ModelHubError error, string message, Exception? innerException = null)
        : base(message, innerException) => Error = error;

    /// <summary>The kind of error.</summary>
    public ModelHubError Error { get; }
}
