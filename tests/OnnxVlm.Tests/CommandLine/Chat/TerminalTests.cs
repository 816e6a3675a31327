using OnnxVlm.Cli.Chat;
using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.CommandLine.Chat;

/// <summary>What the chat draws and how its line is edited, without a terminal.</summary>
internal sealed class TerminalTests
{
    [Test]
    public void HalfBlockPicture_TwoColumnsThreeRows_GivesTheseCells()
    {
        RgbImage image = new(2, 3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 8, 9, 10, 11, 12, 10, 11, 12]);

        Assert.That(HalfBlockPicture.Render(image, maxColumns: 10, maxRows: 10), Is.EqualTo(new[]
        {
            "\e[38;2;1;2;3m\e[48;2;7;8;9m▀\e[38;2;4;5;6m▀\e[0m",
            "\e[38;2;10;11;12m▀▀\e[0m",
        }));
    }

    [TestCase(480, 160, 48, 8)]
    [TestCase(160, 480, 10, 15)]
    [TestCase(4, 4, 4, 2)]
    [TestCase(4000, 4, 48, 1)]
    public void HalfBlockPicture_AnySize_FitsTheBoxInItsShape(int width, int height, int columns, int rows)
    {
        IReadOnlyList<string> picture = HalfBlockPicture.Render(new RgbImage(width, height, new byte[3 * width * height]), maxColumns: 48, maxRows: 15);

        Assert.That(picture, Has.Count.EqualTo(rows));
        Assert.That(picture.Select(row => row.Count(c => c == '▀')), Is.All.EqualTo(columns));
    }

    [TestCase("TERM=xterm-256color;COLORTERM=truecolor", true, true, true)]
    [TestCase("TERM=xterm-256color", true, true, false)]
    [TestCase("TERM=xterm-kitty", true, true, true)]
    [TestCase("TERM=xterm-kitty;NO_COLOR=1", true, false, false)]
    [TestCase("TERM=dumb;COLORTERM=truecolor", false, false, false)]
    [TestCase("COLORTERM=truecolor", false, false, false)]
    public void Abilities_Unix_FollowTheEnvironment(string environment, bool movesCursor, bool styles, bool trueColor)
    {
        Dictionary<string, string> variables = environment.Split(';').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);

        Assert.That(TerminalAbilities.Detect(variables.GetValueOrDefault, windows: false), Is.EqualTo(new TerminalAbilities(movesCursor, styles, trueColor)));
    }

    [Test]
    public void Editor_Keys_ChangeTheLine()
    {
        LineEditor editor = new();
        Type(editor, "one two");
        Press(editor, ConsoleKey.W, control: true);
        Assert.That(editor.Text, Is.EqualTo("one "));
        Press(editor, ConsoleKey.Home);
        Type(editor, "x");
        Press(editor, ConsoleKey.Delete);
        Assert.That((editor.Text, editor.Cursor), Is.EqualTo(("xne ", 1)));
        Press(editor, ConsoleKey.E, control: true);
        Press(editor, ConsoleKey.LeftArrow, control: true);
        Press(editor, ConsoleKey.K, control: true);
        Assert.That(editor.Text, Is.Empty);
        Assert.That(Press(editor, ConsoleKey.D, control: true), Is.EqualTo(EditResult.Ended));
        Assert.That(Press(editor, ConsoleKey.C, control: true), Is.EqualTo(EditResult.Interrupted));
    }

    [Test]
    public void Editor_Backspace_RemovesAWholeCharacter()
    {
        LineEditor editor = new();
        editor.Insert("a😀e\u0301");
        Press(editor, ConsoleKey.Backspace);
        Assert.That(editor.Text, Is.EqualTo("a😀"));
        Press(editor, ConsoleKey.LeftArrow);
        Assert.That(editor.Cursor, Is.EqualTo(1));
        Press(editor, ConsoleKey.Delete);
        Assert.That(editor.Text, Is.EqualTo("a"));
    }

    [Test]
    public void Editor_UpAndDown_GoThroughTheHistoryAndBackToTheDraft()
    {
        LineEditor editor = new();
        foreach (string line in new[] { "first", "second", "second", " " })
        {
            editor.Insert(line);
            editor.Take();
        }
        Type(editor, "draft");

        List<string> seen = [];
        foreach (ConsoleKey key in new[] { ConsoleKey.UpArrow, ConsoleKey.UpArrow, ConsoleKey.UpArrow, ConsoleKey.DownArrow, ConsoleKey.DownArrow, ConsoleKey.DownArrow })
        {
            Press(editor, key);
            seen.Add(editor.Text);
        }

        Assert.That(seen, Is.EqualTo(new[] { "second", "first", "first", "second", "draft", "draft" }));
    }

    [Test]
    public void Layout_LongLine_BreaksBeforeTheLastColumn()
    {
        LineLayout layout = LineLayout.Create("> ", "abcdefgh", cursor: 8, columns: 8);

        Assert.That(layout.Rows, Is.EqualTo(new[] { "> abcde", "  fgh" }));
        Assert.That((layout.CursorRow, layout.CursorColumn), Is.EqualTo((1, 5)));
    }

    [Test]
    public void Layout_WideCharactersAndLineEnds_TakeTheirCells()
    {
        LineLayout layout = LineLayout.Create("> ", "日本語\nx", cursor: 2, columns: 8);

        Assert.That(layout.Rows, Is.EqualTo(new[] { "> 日本", "  語", "  x" }));
        Assert.That((layout.CursorRow, layout.CursorColumn), Is.EqualTo((1, 2)));
    }

    [Test]
    public void Layout_MoreRowsThanTheScreen_KeepsTheCursorInSight()
    {
        LineLayout layout = LineLayout.Create("> ", "a\nb\nc\nd", cursor: 2, columns: 80).Within(2);

        Assert.That(layout.Rows, Is.EqualTo(new[] { "> a", "  b" }));
        Assert.That((layout.CursorRow, layout.CursorColumn), Is.EqualTo((1, 2)));
    }

    private static void Type(LineEditor editor, string text)
    {
        foreach (char c in text)
            editor.Apply(new ConsoleKeyInfo(c, default, shift: false, alt: false, control: false));
    }

    private static EditResult Press(LineEditor editor, ConsoleKey key, bool control = false) => editor.Apply(new ConsoleKeyInfo('\0', key, shift: false, alt: false, control));
}
