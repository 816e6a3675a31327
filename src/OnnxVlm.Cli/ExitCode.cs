namespace OnnxVlm.Cli;

/// <summary>The exit codes of the process; scripts rely on them.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int WrongArguments = 2;
}
