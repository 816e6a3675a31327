using System.Text;

namespace OnnxVlm.Cli.Chat;

/// <summary>One line of the user: a message, or a command that starts with a slash. Two slashes at the start are a message that starts with one.</summary>
internal abstract record ChatInput
{
    /// <summary>A message for the model.</summary>
    public sealed record Message(string Text) : ChatInput;

    /// <summary><c>/image FILE</c>, or several quoted files.</summary>
    public sealed record Image(IReadOnlyList<string> Paths) : ChatInput;

    /// <summary><c>/system TEXT</c>; without a text the system message is removed.</summary>
    public sealed record System(string? Text) : ChatInput;

    /// <summary><c>/save FILE</c>.</summary>
    public sealed record Save(string Path) : ChatInput;

    /// <summary><c>/reset</c>.</summary>
    public sealed record Reset : ChatInput;

    /// <summary><c>/help</c>.</summary>
    public sealed record Help : ChatInput;

    /// <summary><c>/quit</c>.</summary>
    public sealed record Quit : ChatInput;

    /// <summary>Only blanks.</summary>
    public sealed record Nothing : ChatInput;

    /// <summary>A command that cannot be carried out, and what to type instead.</summary>
    public sealed record Wrong(string Reason) : ChatInput;

    /// <summary>Reads a line.</summary>
    /// <param name="line">What the user typed.</param>
    public static ChatInput Parse(string line)
    {
        string text = line.Trim();
        if (text.Length == 0)
            return new Nothing();
        if (text[0] != '/')
            return new Message(text);
        if (text.StartsWith("//", StringComparison.Ordinal))
            return new Message(text[1..]);

        int end = text.AsSpan().IndexOfAny(' ', '\t', '\n');
        string name = end < 0 ? text : text[..end];
        string argument = end < 0 ? "" : text[end..].Trim();
        return (name, argument.Length > 0) switch
        {
            ("/image", true) => new Image(SplitPaths(argument, OperatingSystem.IsWindows())),
            ("/save", true) => SplitPaths(argument, OperatingSystem.IsWindows()) is [string path] ? new Save(path) : new Wrong("/save takes one file."),
            ("/image" or "/save", false) => new Wrong($"{name} needs a file: {name} FILE"),
            ("/system", _) => new System(argument.Length > 0 ? argument : null),
            ("/reset", false) => new Reset(),
            ("/help", false) => new Help(),
            ("/quit" or "/exit", false) => new Quit(),
            ("/reset" or "/help" or "/quit" or "/exit", true) => new Wrong($"{name} takes no argument."),
            _ when File.Exists(text) => new Wrong($"To attach this file: /image {text}"),
            _ => new Wrong($"There is no command {name}; /help lists them, and a message that starts with a slash is written with two."),
        };
    }

    /// <summary>
    /// The files of a command. A terminal writes a dragged file in quotes or with backslashes, and several files separated by blanks. A typed name
    /// without quotes and backslashes may contain blanks.
    /// </summary>
    /// <param name="argument">The text after the command.</param>
    /// <param name="windows">Whether a backslash separates folders instead of quoting.</param>
    internal static IReadOnlyList<string> SplitPaths(string argument, bool windows)
    {
        bool isQuoted = argument[0] is '\'' or '"' || (!windows && argument.Contains('\\'));
        IReadOnlyList<string>? words = isQuoted ? SplitQuoted(argument, windows) : null;
        return [.. (words ?? [argument]).Select(Expand)];
    }

    // Splits as a shell does; null where a quote is not closed.
    private static List<string>? SplitQuoted(string argument, bool windows)
    {
        List<string> words = [];
        StringBuilder? word = null;
        char quote = '\0';
        for (int i = 0; i < argument.Length; i++)
        {
            char c = argument[i];
            if (c == '\\' && !windows && quote != '\'' && i + 1 < argument.Length)
                (word ??= new StringBuilder()).Append(argument[++i]);
            else if (quote == '\0' && (c is '\'' or '"'))
                (quote, word) = (c, word ?? new StringBuilder());
            else if (c == quote)
                quote = '\0';
            else if (quote == '\0' && char.IsWhiteSpace(c))
            {
                if (word is not null)
                    words.Add(word.ToString());
                word = null;
            }
            else
                (word ??= new StringBuilder()).Append(c);
        }
        if (word is not null)
            words.Add(word.ToString());
        return quote == '\0' ? words : null;
    }

    private static string Expand(string path)
    {
        if (path.StartsWith("file://", StringComparison.Ordinal) && Uri.TryCreate(path, UriKind.Absolute, out Uri? uri))
            return uri.LocalPath;
        return path.StartsWith("~/", StringComparison.Ordinal)
            ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), path[2..])
            : path;
    }
}
