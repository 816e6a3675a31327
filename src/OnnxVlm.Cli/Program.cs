using System.CommandLine;
using System.Text;
using OnnxVlm.Cli.Commands;

namespace OnnxVlm.Cli;

/// <summary>The <c>onnxvlm</c> command line. Exit codes: 0 done, 1 the work failed, 2 wrong arguments.</summary>
internal static class Program
{
    private static Task<int> Main(string[] args)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        return RunAsync(args);
    }

    /// <summary>Runs one command line; tests call it in process.</summary>
    /// <param name="args">The arguments.</param>
    /// <returns>The exit code.</returns>
    internal static async Task<int> RunAsync(params string[] args)
    {
        RootCommand root = new("Unified vision-language models in .NET: an image and a question in, streamed text out.")
        {
            RunCommand.Create(),
            ChatCommand.Create(),
            ServeCommand.Create(),
            PullCommand.Create(),
            ListCommand.Create(),
            RemoveCommand.Create(),
            UpgradeCommand.Create(),
            ExportCommand.Create(),
            VerifyCommand.Create(),
            EvalCommand.Create(),
            BenchCommand.Create(),
            InspectCommand.Create(),
            TokenizeCommand.Create(),
            PromptCommand.Create(),
            DoctorCommand.Create(),
            TrialCommand.Create(),
        };
        // An @ begins the name of a file with an option's text, not the name of a response file.
        ParseResult result = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (result.Errors.Count > 0)
        {
            foreach (string message in result.Errors.Select(error => error.Message).Distinct())
                Console.Error.WriteLine(message);
            Console.Error.WriteLine($"See: onnxvlm {(result.CommandResult.Command is RootCommand ? "" : result.CommandResult.Command.Name + " ")}--help");
            return ExitCode.WrongArguments;
        }
        InvocationConfiguration configuration = new() { EnableDefaultExceptionHandler = false };
        // Ctrl-C cancels a command; the chat and the service handle it themselves.
        if (result.CommandResult.Command.Name is ChatCommand.Name or ServeCommand.Name)
            configuration.ProcessTerminationTimeout = null;
        return await result.InvokeAsync(configuration).ConfigureAwait(false);
    }
}
