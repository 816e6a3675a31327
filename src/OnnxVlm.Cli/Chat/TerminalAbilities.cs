namespace OnnxVlm.Cli.Chat;

/// <summary>What the terminal can show, according to its environment.</summary>
/// <param name="MovesCursor">Whether it understands escape sequences at all.</param>
/// <param name="Styles">Whether colours and dim text are wanted: the user has not set <c>NO_COLOR</c> (no-color.org).</param>
/// <param name="TrueColor">Whether it shows 24-bit colours.</param>
internal sealed record TerminalAbilities(bool MovesCursor, bool Styles, bool TrueColor)
{
    private static readonly string[] TrueColorTerms = ["alacritty", "contour", "foot", "ghostty", "kitty", "wezterm"];
    private static readonly string[] TrueColorPrograms = ["ghostty", "iTerm.app", "vscode", "WezTerm"];

    /// <summary>Reads the environment.</summary>
    /// <param name="variable">Value of an environment variable, or null.</param>
    /// <param name="windows">Whether this is Windows, where <c>TERM</c> is not set.</param>
    public static TerminalAbilities Detect(Func<string, string?> variable, bool windows)
    {
        string term = variable("TERM") ?? "";
        bool movesCursor = term != "dumb" && (term.Length > 0 || windows);
        bool styles = movesCursor && string.IsNullOrEmpty(variable("NO_COLOR"));
        bool trueColor = variable("COLORTERM") is "truecolor" or "24bit"
            || !string.IsNullOrEmpty(variable("WT_SESSION"))
            || term.EndsWith("-direct", StringComparison.Ordinal)
            || TrueColorTerms.Any(name => term.Contains(name, StringComparison.Ordinal))
            || TrueColorPrograms.Contains(variable("TERM_PROGRAM"));
        return new TerminalAbilities(movesCursor, styles, styles && trueColor);
    }
}
