namespace OnnxVlm;

/// <summary>
/// Base of every error that comes from data: a model folder, an image, a prompt. Mistakes of the calling code are BCL argument exceptions instead.
/// </summary>
public class VlmException : Exception
{
    private const int MostCharacters = 2000;

    /// <summary>Creates the exception.</summary>
    /// <param name="message">
    /// One line: what is wrong, what was expected and found, and what to do. What was found can be anything: control characters become blanks, so that a
    /// file cannot write to a terminal, and what is longer than 2,000 characters is cut.
    /// </param>
    /// <param name="innerException">The cause, if there is one.</param>
    public VlmException(string message, Exception? innerException = null)
        : base(OneLine(message), innerException)
    {
    }

    private static string OneLine(string message)
    {
        if (message.Length > MostCharacters)
            message = message[..(MostCharacters - 1)] + "…";
        return message.Any(char.IsControl) ? string.Concat(message.Select(letter => char.IsControl(letter) ? ' ' : letter)) : message;
    }
}
