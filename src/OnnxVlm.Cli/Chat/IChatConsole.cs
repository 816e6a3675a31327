using OnnxVlm.Imaging;

namespace OnnxVlm.Cli.Chat;

/// <summary>Where a chat reads and writes.</summary>
internal interface IChatConsole
{
    /// <summary>The next line of the user; null when there is none any more or the user wants to leave.</summary>
    string? ReadLine();

    /// <summary>Writes a piece of the answer and shows it at once.</summary>
    void WriteAnswer(string text);

    /// <summary>Ends the answer's last line.</summary>
    void EndAnswer();

    /// <summary>Says something beside the conversation.</summary>
    void WriteNote(string line);

    /// <summary>Says what went wrong, in one line.</summary>
    void WriteError(string line);

    /// <summary>Shows an image where that is possible; otherwise does nothing.</summary>
    void ShowPicture(RgbImage image);

    /// <summary>Has Ctrl-C stop an answer until the returned object is disposed.</summary>
    IDisposable OnStop(Action stop);
}
