using Spectre.Console;

namespace OnnxVlm.Cli;

/// <summary>Tables that look the same on a terminal and in a file: no frame, no colour, no line cut to a terminal's width when redirected.</summary>
internal static class PlainTable
{
    public static Table Create(params string[] columns)
    {
        Table table = new() { Border = TableBorder.None, ShowRowSeparators = false };
        foreach (string column in columns)
            table.AddColumn(new TableColumn(column).NoWrap().PadRight(3).PadLeft(0));
        return table;
    }

    public static void Write(Table table)
    {
        if (Console.IsOutputRedirected)
            AnsiConsole.Console.Profile.Width = 400;
        AnsiConsole.Write(table);
    }
}
