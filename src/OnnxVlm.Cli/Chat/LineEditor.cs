using System.Globalization;

namespace OnnxVlm.Cli.Chat;

/// <summary>The effect of a key on the line.</summary>
internal enum EditResult
{
    /// <summary>The line is still being edited.</summary>
    Editing,

    /// <summary>The user submitted it.</summary>
    Submitted,

    /// <summary>Ctrl-C.</summary>
    Interrupted,

    /// <summary>Ctrl-D on an empty line: there is no more input.</summary>
    Ended,

    /// <summary>Ctrl-L: clear the screen.</summary>
    ClearScreen,
}

/// <summary>
/// The line that the user types: text, cursor and history, without a terminal. The cursor moves by text elements, which people see as characters.
/// </summary>
internal sealed class LineEditor
{
    private readonly List<string> _history = [];
    private int _historyIndex;
    private string _draft = "";

    public string Text { get; private set; } = "";

    /// <summary>Index of the UTF-16 unit at the cursor, 0 to the length of <see cref="Text"/>.</summary>
    public int Cursor { get; private set; }

    /// <summary>Inserts text at the cursor.</summary>
    public void Insert(string text)
    {
        Text = Text.Insert(Cursor, text);
        Cursor += text.Length;
    }

    /// <summary>Starts an empty line.</summary>
    public void Clear()
    {
        (Text, Cursor, _draft) = ("", 0, "");
        _historyIndex = _history.Count;
    }

    /// <summary>Moves the finished line into the history and starts an empty one.</summary>
    /// <returns>The line.</returns>
    public string Take()
    {
        string line = Text;
        if (!string.IsNullOrWhiteSpace(line) && (_history.Count == 0 || _history[^1] != line))
            _history.Add(line);
        Clear();
        return line;
    }

    /// <summary>Applies a key.</summary>
    public EditResult Apply(ConsoleKeyInfo key)
    {
        bool control = key.Modifiers.HasFlag(ConsoleModifiers.Control);
        bool alt = key.Modifiers.HasFlag(ConsoleModifiers.Alt);
        switch (key.Key)
        {
            case ConsoleKey.Enter when !alt: return EditResult.Submitted;
            case ConsoleKey.Enter: Insert("\n"); break;
            case ConsoleKey.C when control: return EditResult.Interrupted;
            case ConsoleKey.D when control && Text.Length == 0: return EditResult.Ended;
            case ConsoleKey.L when control: return EditResult.ClearScreen;
            case ConsoleKey.LeftArrow: Cursor = control || alt ? WordStart() : Previous(); break;
            case ConsoleKey.RightArrow: Cursor = control || alt ? WordEnd() : Next(); break;
            case ConsoleKey.Home or ConsoleKey.A when control || key.Key == ConsoleKey.Home: Cursor = 0; break;
            case ConsoleKey.End or ConsoleKey.E when control || key.Key == ConsoleKey.End: Cursor = Text.Length; break;
            case ConsoleKey.UpArrow: Recall(_historyIndex - 1); break;
            case ConsoleKey.DownArrow: Recall(_historyIndex + 1); break;
            case ConsoleKey.W when control: Remove(WordStart(), Cursor); break;
            case ConsoleKey.Backspace when control || alt: Remove(WordStart(), Cursor); break;
            case ConsoleKey.Backspace: Remove(Previous(), Cursor); break;
            case ConsoleKey.Delete or ConsoleKey.D when control || key.Key == ConsoleKey.Delete: Remove(Cursor, Next()); break;
            case ConsoleKey.U when control: Remove(0, Cursor); break;
            case ConsoleKey.K when control: Remove(Cursor, Text.Length); break;
            default:
                if (!control && !alt && key.KeyChar >= ' ' && key.KeyChar != '\x7F')
                    Insert(key.KeyChar.ToString());
                break;
        }
        return EditResult.Editing;
    }

    private void Remove(int start, int end)
    {
        Text = Text.Remove(start, end - start);
        Cursor = start;
    }

    private void Recall(int index)
    {
        if (index < 0 || index > _history.Count)
            return;
        if (_historyIndex == _history.Count)
            _draft = Text;
        _historyIndex = index;
        Text = index == _history.Count ? _draft : _history[index];
        Cursor = Text.Length;
    }

    private int Previous()
    {
        int position = 0, before = 0;
        while (position < Cursor)
        {
            before = position;
            position += StringInfo.GetNextTextElementLength(Text, position);
        }
        return before;
    }

    private int Next() => Cursor == Text.Length ? Cursor : Cursor + StringInfo.GetNextTextElementLength(Text, Cursor);

    private int WordStart()
    {
        int position = Cursor;
        while (position > 0 && char.IsWhiteSpace(Text[position - 1]))
            position--;
        while (position > 0 && !char.IsWhiteSpace(Text[position - 1]))
            position--;
        return position;
    }

    private int WordEnd()
    {
        int position = Cursor;
        while (position < Text.Length && char.IsWhiteSpace(Text[position]))
            position++;
        while (position < Text.Length && !char.IsWhiteSpace(Text[position]))
            position++;
        return position;
    }
}
