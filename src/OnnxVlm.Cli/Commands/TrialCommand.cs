using System.CommandLine;
using OnnxVlm.Export.Trials;
using OnnxVlm.Runtime;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm trial</c>, which the help does not show: what <see cref="Models.TrialProcess"/> starts.</summary>
internal static class TrialCommand
{
    public const string Name = "trial";

    public static Command Create()
    {
        Argument<DirectoryInfo> folder = new("DIR") { Description = "The model folder." };
        Option<string> device = SharedOptions.Device();
        Command command = new(Name, "Run the graph of a model folder for one token.") { folder, device };
        command.Hidden = true;
        command.SetWork((result, _) =>
        {
            DieFirst();
            GraphTrial.Run(result.GetValue(folder)!.FullName, Enum.Parse<Device>(result.GetValue(device)!, ignoreCase: true));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    // Where the memory is too small after all, the system ends this process and not the export.
    private static void DieFirst()
    {
        if (!OperatingSystem.IsLinux())
            return;
        try
        {
            File.WriteAllText("/proc/self/oom_score_adj", "1000");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The system then chooses by size.
        }
    }
}
