using System.Globalization;
using System.Text;
using Spectre.Console.Rendering;

namespace OnnxVlm.Cli.Chat;

/// <summary>
/// A line as rows of a terminal: broken at its own line ends and at the terminal's width. The last column stays free, so that no
/// terminal breaks a row itself.
/// </summary>
/// <param name="Rows">The text of each row, including prompt or indentation.</param>
/// <param name="CursorRow">Index of the cursor's row.</param>
/// <param name="CursorColumn">Cells before the cursor.</param>
internal sealed record LineLayout(IReadOnlyList<string> Rows, int CursorRow, int CursorColumn)
{
    /// <summary>Lays a line out.</summary>
    /// <param name="prompt">The text before the first row; other rows are indented by its width.</param>
    /// <param name="text">The line.</param>
    /// <param name="cursor">Index into <paramref name="text"/>.</param>
    /// <param name="columns">Width of the terminal in cells.</param>
    public static LineLayout Create(string prompt, string text, int cursor, int columns)
    {
        int width = Math.Max(columns - 1, prompt.Length + 2);
        string indentation = new(' ', prompt.Length);
        List<string> rows = [];
        StringBuilder row = new(prompt);
        int column = prompt.Length;
        (int cursorRow, int cursorColumn) = (0, 0);
        for (int i = 0; i < text.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(text, i);
            bool isBreak = text[i] is '\n' or '\r';
            int cells = isBreak ? 0 : CellsOf(text.AsSpan(i, length));
            if (column + cells > width)
                BreakRow();
            if (i == cursor)
                (cursorRow, cursorColumn) = (rows.Count, column);
            if (isBreak)
                BreakRow();
            else
                row.Append(char.IsControl(text[i]) ? "·" : text.AsSpan(i, length));
            column += cells;
            i += length;
        }
        if (cursor >= text.Length)
            (cursorRow, cursorColumn) = (rows.Count, column);
        rows.Add(row.ToString());
        return new LineLayout(rows, cursorRow, cursorColumn);

        void BreakRow()
        {
            rows.Add(row.ToString());
            row.Clear().Append(indentation);
            column = indentation.Length;
        }
    }

    /// <summary>The layout limited to a number of rows that include the cursor's row.</summary>
    public LineLayout Within(int maxRows)
    {
        if (Rows.Count <= maxRows)
            return this;
        int first = Math.Clamp(CursorRow - maxRows + 1, 0, Rows.Count - maxRows);
        return new LineLayout([.. Rows.Skip(first).Take(maxRows)], CursorRow - first, CursorColumn);
    }

    // A text element is as wide as its first character; the others combine with it.
    private static int CellsOf(ReadOnlySpan<char> element)
    {
        if (char.IsAscii(element[0]) || char.IsControl(element[0]))
            return 1;
        Rune.DecodeFromUtf16(element, out Rune first, out _);
        return Math.Max(1, Segment.CellCount([new Segment(first.ToString())]));
    }
}
