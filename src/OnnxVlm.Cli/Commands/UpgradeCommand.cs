using System.CommandLine;
using OnnxVlm.Cli.Models;
using OnnxVlm.Hub;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm upgrade</c>: renews model folders that another version of OnnxVlm wrote.</summary>
internal static class UpgradeCommand
{
    public static Command Create()
    {
        Argument<DirectoryInfo[]> folders = new("DIR")
        {
            Description = "Model folders; without one, all outdated models of onnxvlm list.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        folders.Validators.Add(SharedOptions.RefuseEmptyNames);
        Option<bool> noTrial = SharedOptions.NoTrial();
        Option<bool> json = new("--json") { Description = "Print events, one JSON object a line." };
        Command command = new("upgrade", "Renew model folders that an older version wrote: the same commit is pulled again.") { folders, noTrial, json };
        command.SetWork(async (result, cancellationToken) =>
        {
            using ModelHub hub = ModelLocator.CreateHub(result.GetValue(noTrial));
            PullConsole console = new(result.GetValue(json));
            string[] paths = result.GetValue(folders) is { Length: > 0 } given
                ? [.. given.Select(folder => folder.FullName)]
                : [.. hub.List().Where(model => model.State == LocalModelState.Outdated).Select(model => model.Folder)];
            foreach (string path in paths)
            {
                bool renewed;
                try
                {
                    renewed = await hub.UpgradeAsync(path, console, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    console.EndBar();
                }

                Console.Error.WriteLine(renewed ? $"renewed {path}" : $"{path} is up to date");
            }

            return ExitCode.Done;
        });
        return command;
    }
}
