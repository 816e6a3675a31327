using System.CommandLine;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace OnnxVlm.Cli.Commands;

/// <summary>Runs a command's work and converts errors to one line on stderr and an exit code.</summary>
internal static class CommandAction
{
    /// <summary>Sets the work of a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="work">Returns the exit code.</param>
    public static void SetWork(this Command command, Func<ParseResult, CancellationToken, Task<int>> work) =>
        command.SetAction(async (result, cancellationToken) =>
        {
            try
            {
                // On another thread, so that Ctrl-C ends also what cannot be broken off.
                return await Task.Run(() => work(result, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            catch (WrongArgumentException e)
            {
                return Report(e.Message, ExitCode.WrongArguments);
            }
            catch (OperationCanceledException)
            {
                return Report("Cancelled.", ExitCode.Failed);
            }
            catch (Exception e) when (e is VlmException or ArgumentException
                or IOException or UnauthorizedAccessException or OnnxRuntimeGenAIException or OnnxRuntimeException or DllNotFoundException)
            {
                return Report(e.Message, ExitCode.Failed);
            }
        });

    /// <summary>Builds options from arguments; a value that the options refuse is a wrong argument.</summary>
    /// <typeparam name="T">The options.</typeparam>
    /// <param name="build">Sets the values.</param>
    public static T CheckArguments<T>(Func<T> build)
    {
        try
        {
            return build();
        }
        catch (ArgumentException e)
        {
            throw new WrongArgumentException(OneLine(e.Message), e);
        }
    }

    private static int Report(string message, int exitCode)
    {
        Console.Error.WriteLine($"error: {OneLine(message)}");
        return exitCode;
    }

    private static string OneLine(string message) => ArgumentMessage.WithoutParameter(message).ReplaceLineEndings(" ").Trim();
}

/// <summary>An argument can be parsed, but the command does not accept its value.</summary>
internal sealed class WrongArgumentException(string message, Exception? innerException = null) : Exception(message, innerException);
