using OnnxVlm.Imaging;

namespace OnnxVlm.Cli.Chat;

/// <summary>
/// Lines in, text out, no escape sequences: for scripts and for terminals that cannot move the cursor. Answers go to the output and everything else
/// to the error stream, so that a script reads only answers.
/// </summary>
/// <param name="input">The source of lines.</param>
/// <param name="output">Receives the answers.</param>
/// <param name="error">Receives notes and errors.</param>
/// <param name="prompt">The text before each line; null where nobody reads it, and then Ctrl-C ends the program.</param>
internal sealed class PlainChatConsole(TextReader input, TextWriter output, TextWriter error, string? prompt = null) : IChatConsole
{
    public string? ReadLine()
    {
        if (prompt is not null)
        {
            output.Write(prompt);
            output.Flush();
        }
        return input.ReadLine();
    }

    public void WriteAnswer(string text)
    {
        output.Write(text);
        output.Flush();
    }

    public void EndAnswer()
    {
        output.WriteLine();
        output.Flush();
    }

    public void WriteNote(string line) => error.WriteLine(line);

    public void WriteError(string line) => error.WriteLine($"error: {line}");

    public void ShowPicture(RgbImage image)
    {
    }

    public IDisposable OnStop(Action stop) => prompt is null ? new Registration(null) : new Registration(stop);

    private sealed class Registration : IDisposable
    {
        private readonly Action? _stop;

        public Registration(Action? stop)
        {
            _stop = stop;
            if (stop is not null)
                Console.CancelKeyPress += OnCancel;
        }

        public void Dispose() => Console.CancelKeyPress -= OnCancel;

        private void OnCancel(object? sender, ConsoleCancelEventArgs e)
        {
            e.Cancel = true;
            _stop!();
        }
    }
}
