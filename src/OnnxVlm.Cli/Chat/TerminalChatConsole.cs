using System.Collections.Concurrent;
using System.Text;
using OnnxVlm.Imaging;

namespace OnnxVlm.Cli.Chat;

/// <summary>
/// A terminal that moves its cursor. One thread reads keys for the whole chat: during an answer, Ctrl-C stops it and other keys wait for the next prompt.
/// </summary>
internal sealed class TerminalChatConsole : IChatConsole, IDisposable
{
    private const string Prompt = "> ";
    private const string PasteStart = "[200~", PasteEnd = "[201~";

    private readonly TerminalAbilities _abilities;
    private readonly TextWriter _output = Console.Out;
    private readonly BlockingCollection<ConsoleKeyInfo> _keys = [];
    private readonly LineEditor _editor = new();
    private readonly Lock _stopping = new();
    private Action? _stop;
    private int _cursorRow;

    /// <summary>Takes over the terminal; from here on, Ctrl-C is a normal key.</summary>
    public TerminalChatConsole(TerminalAbilities abilities)
    {
        _abilities = abilities;
        Console.TreatControlCAsInput = true;
        new Thread(ReadKeys) { IsBackground = true, Name = "keys" }.Start();
    }

    public string? ReadLine()
    {
        bool isInterrupted = false;
        _cursorRow = 0;
        Write("\e[?2004h");
        try
        {
            while (true)
            {
                Draw();
                if (!_keys.TryTake(out ConsoleKeyInfo key, Timeout.Infinite))
                    return null;
                if (key.Key == ConsoleKey.Escape)
                {
                    if (TakeSequence(PasteStart))
                        _editor.Insert(TakePaste());
                    continue;
                }
                switch (_editor.Apply(key))
                {
                    case EditResult.Submitted:
                        LeaveLine();
                        return _editor.Take();
                    case EditResult.Ended:
                    case EditResult.Interrupted when isInterrupted:
                        LeaveLine();
                        return null;
                    case EditResult.Interrupted:
                        LeaveLine();
                        _editor.Clear();
                        WriteNote("Ctrl-C again or /quit leaves the chat.");
                        isInterrupted = true;
                        continue;
                    case EditResult.ClearScreen:
                        Write("\e[H\e[2J");
                        _cursorRow = 0;
                        break;
                }
                isInterrupted = false;
            }
        }
        finally
        {
            Write("\e[?2004l");
        }
    }

    public void WriteAnswer(string text) => Write(Harmless(text));

    public void EndAnswer() => Write("\n");

    public void WriteNote(string line) => Write(_abilities.Styles ? $"\e[2m{Harmless(line)}\e[22m\n" : $"{Harmless(line)}\n");

    public void WriteError(string line) => Write(_abilities.Styles ? $"\e[31merror:\e[39m {Harmless(line)}\n" : $"error: {Harmless(line)}\n");

    public void ShowPicture(RgbImage image)
    {
        if (!_abilities.TrueColor)
            return;
        int columns = Math.Clamp(Console.WindowWidth - 2, 1, 48);
        int rows = Math.Clamp(Console.WindowHeight / 2, 1, 16);
        foreach (string row in HalfBlockPicture.Render(image, columns, rows))
            Write($"{row}\n");
    }

    public IDisposable OnStop(Action stop)
    {
        SetStop(stop);
        return new Registration(this);
    }

    public void Dispose() => Console.TreatControlCAsInput = false;

    private void ReadKeys()
    {
        try
        {
            while (true)
            {
                ConsoleKeyInfo key = Console.ReadKey(intercept: true);
                bool isControlC = key.Key == ConsoleKey.C && key.Modifiers.HasFlag(ConsoleModifiers.Control);
                if (!isControlC || !StopAnswer())
                    _keys.Add(key);
            }
        }
        catch (InvalidOperationException)
        {
            // The terminal has been closed.
            _keys.CompleteAdding();
        }
    }

    private void SetStop(Action? stop)
    {
        lock (_stopping)
            _stop = stop;
    }

    private bool StopAnswer()
    {
        lock (_stopping)
        {
            _stop?.Invoke();
            return _stop is not null;
        }
    }

    // Draws the line over its previous drawing. It is not redrawn while more keys are waiting, so that a paste is drawn once.
    private void Draw()
    {
        if (_keys.Count > 0)
            return;
        LineLayout layout = LineLayout.Create(Prompt, _editor.Text, _editor.Cursor, Console.WindowWidth).Within(Math.Max(1, Console.WindowHeight - 1));
        StringBuilder text = new();
        MoveUp(text, _cursorRow);
        text.Append("\r\e[J").AppendJoin("\r\n", layout.Rows);
        MoveUp(text, layout.Rows.Count - 1 - layout.CursorRow);
        text.Append('\r');
        if (layout.CursorColumn > 0)
            text.Append("\e[").Append(layout.CursorColumn).Append('C');
        _cursorRow = layout.CursorRow;
        Write(text.ToString());
    }

    private void LeaveLine()
    {
        LineLayout layout = LineLayout.Create(Prompt, _editor.Text, _editor.Text.Length, Console.WindowWidth).Within(Math.Max(1, Console.WindowHeight - 1));
        StringBuilder text = new();
        MoveUp(text, _cursorRow);
        text.Append("\r\e[J").AppendJoin("\r\n", layout.Rows).Append("\r\n");
        _cursorRow = 0;
        Write(text.ToString());
    }

    private static void MoveUp(StringBuilder text, int rows)
    {
        if (rows > 0)
            text.Append("\e[").Append(rows).Append('A');
    }

    // The rest of an escape sequence follows immediately; nothing follows a lone Escape.
    private bool TakeSequence(string expected)
    {
        foreach (char c in expected)
        {
            if (!_keys.TryTake(out ConsoleKeyInfo key, millisecondsTimeout: 50) || key.KeyChar != c)
                return false;
        }
        return true;
    }

    private string TakePaste()
    {
        StringBuilder text = new();
        while (_keys.TryTake(out ConsoleKeyInfo key, Timeout.Infinite))
        {
            if (key.Key == ConsoleKey.Escape)
            {
                if (TakeSequence(PasteEnd))
                    break;
            }
            else if (key.Key == ConsoleKey.Enter)
                text.Append('\n');
            else if (key.KeyChar == '\t')
                text.Append("    ");
            else if (!char.IsControl(key.KeyChar))
                text.Append(key.KeyChar);
        }
        return text.ToString().TrimEnd('\n');
    }

    // The text of a model, or the name of a file, must not control the terminal.
    private static string Harmless(string text) => string.Concat(text.Select(c => char.IsControl(c) && c is not ('\n' or '\t') ? '·' : c));

    private void Write(string text)
    {
        _output.Write(text);
        _output.Flush();
    }

    private sealed class Registration(TerminalChatConsole console) : IDisposable
    {
        public void Dispose() => console.SetStop(null);
    }
}
