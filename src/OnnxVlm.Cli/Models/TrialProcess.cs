using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using OnnxVlm.Cli.Commands;
using OnnxVlm.Runtime;

namespace OnnxVlm.Cli.Models;

/// <summary>Runs the graph of a model folder for one token in a process of its own: this program with the command <see cref="TrialCommand"/>.</summary>
internal static class TrialProcess
{
    private static readonly TimeSpan TimeOfAny = TimeSpan.FromMinutes(3), TimeOfGigabyte = TimeSpan.FromMinutes(1);

    /// <summary>What an export asks for a trial on a device.</summary>
    /// <param name="device">Where the graph runs.</param>
    public static Func<string, CancellationToken, string?> On(Device device) =>
        (folder, cancellationToken) => Run(StartInfo(folder, device), TimeLimit(folder), cancellationToken);

    /// <summary>Waits for a trial.</summary>
    /// <param name="start">The process.</param>
    /// <param name="limit">How long it may run.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>In a few words why it failed; null where it did not.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static string? Run(ProcessStartInfo start, TimeSpan limit, CancellationToken cancellationToken)
    {
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.CreateNoWindow = true;
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start.");
        string? error = null;
        process.ErrorDataReceived += (_, line) => error = line.Data?.StartsWith(ErrorMark, StringComparison.Ordinal) == true
            ? line.Data[ErrorMark.Length..]
            : error;
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        process.StandardInput.Close();
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        either.CancelAfter(limit);
        try
        {
            process.WaitForExitAsync(either.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            cancellationToken.ThrowIfCancellationRequested();
            return string.Create(CultureInfo.InvariantCulture, $"one token took more than {limit.TotalMinutes:0.#} minutes");
        }

        return process.ExitCode switch
        {
            ExitCode.Done => null,
            ExitCode.Failed or ExitCode.WrongArguments when error is not null => error,
            // Linux and macOS tell the signal.
            137 => "the system ended it (SIGKILL), probably because the memory was too small",
            134 => "it ended with SIGABRT",
            139 => "it ended with SIGSEGV",
            int code => $"it ended with code {code}",
        };
    }

    private const string ErrorMark = "error: ";

    private static TimeSpan TimeLimit(string folder) =>
        TimeOfAny + (TimeOfGigabyte * (new DirectoryInfo(folder).EnumerateFiles().Sum(file => file.Length) / 1e9));

    // The program is an executable, alone or beside its assembly, or an assembly that dotnet runs; in another program, such as a test, it is an assembly.
    private static ProcessStartInfo StartInfo(string folder, Device device)
    {
        string[] arguments = [TrialCommand.Name, folder, "--device", device.ToString().ToLowerInvariant()];
        bool isOurs = Assembly.GetEntryAssembly() == typeof(TrialProcess).Assembly;
        if (isOurs && Environment.ProcessPath is string program
            && !Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
            return new ProcessStartInfo(program, arguments);
        string assembly = Path.Combine(AppContext.BaseDirectory, "OnnxVlm.Cli.dll");
        return new ProcessStartInfo(isOurs ? Environment.ProcessPath ?? "dotnet" : "dotnet", [assembly, .. arguments]);
    }
}
