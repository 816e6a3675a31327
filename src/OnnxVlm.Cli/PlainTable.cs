using Spectre.Console;

namespace OnnxVlm.Cli;

/// <summary>Tables without frames and colours; redirected, they are plain lines that are not cut to a terminal's width.</summary>
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
        if (!Console.IsOutputRedirected)
        {
            AnsiConsole.Write(table);
            return;
        }
        StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 1000;
        console.Write(table);
        foreach (string line in text.ToString().TrimEnd().Split('\n'))
            Console.Out.WriteLine(line.TrimEnd());
    }
}
