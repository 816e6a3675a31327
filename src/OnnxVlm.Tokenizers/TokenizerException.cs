namespace OnnxVlm.Tokenizers;

/// <summary>
/// A <c>tokenizer.json</c> cannot be used: it is damaged, or it has a setting that cannot be followed exactly.
/// The message is one line that names the file and the key, what was expected, and what was found.
/// </summary>
public sealed class TokenizerException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: file, key, what was expected, what was found.</param>
    /// <param name="isUnsupported">True for a sound file with a setting that is not implemented.</param>
    /// <param name="innerException">The cause; null for none.</param>
    public TokenizerException(string message, bool isUnsupported = false, Exception? innerException = null)
        : base(message, innerException) => IsUnsupported = isUnsupported;

    /// <summary>True where the file is sound but has a setting that is not implemented; false where it is missing or damaged.</summary>
    public bool IsUnsupported { get; }
}
