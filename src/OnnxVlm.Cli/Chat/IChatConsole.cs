using OnnxVlm.Imaging;

namespace OnnxVlm.Cli.Chat;

/// <summary>The console of a chat.</summary>
internal interface IChatConsole
{
    /// <summary>The next line of the user; null when the input has ended or the user wants to quit.</summary>
    string? ReadLine();

    /// <summary>Writes a piece of the answer and shows it immediately.</summary>
    void WriteAnswer(string text);

    /// <summary>Ends the answer's last line.</summary>
    void EndAnswer();

    /// <summary>Writes a note that is not part of the conversation.</summary>
    void WriteNote(string line);

    /// <summary>Writes an error, in one line.</summary>
    void WriteError(string line);

    /// <summary>Shows an image where that is possible; otherwise does nothing.</summary>
    void ShowPicture(RgbImage image);

    /// <summary>Lets Ctrl-C stop an answer until the returned object is disposed.</summary>
    IDisposable OnStop(Action stop);
}
