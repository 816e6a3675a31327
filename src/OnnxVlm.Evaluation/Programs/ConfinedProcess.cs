using System.Diagnostics;

namespace OnnxVlm.Evaluation.Programs;

/// <summary>A child process with a folder of its own, a bare environment, no input, ignored output and a time limit.</summary>
internal static class ConfinedProcess
{
    private static readonly string[] KeptVariables = ["PATH", "SystemRoot", "LD_LIBRARY_PATH"];

    /// <summary>Runs a program to its end, or kills it and its children when its time is over.</summary>
    /// <param name="fileName">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">Its working directory and home.</param>
    /// <param name="timeLimit">The longest running time.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <returns>The exit code; null when it was killed because of the time limit.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static async Task<int?> RunAsync(
        string fileName, IEnumerable<string> arguments, string folder, TimeSpan timeLimit, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = new(fileName, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        Confine(start, folder);
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{fileName} did not start.");
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeLimit);
        try
        {
            process.StandardInput.Close();
            await Task.WhenAll(
                process.StandardOutput.BaseStream.CopyToAsync(Stream.Null, limit.Token),
                process.StandardError.BaseStream.CopyToAsync(Stream.Null, limit.Token),
                process.WaitForExitAsync(limit.Token)).ConfigureAwait(false);
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }

    private static void Confine(ProcessStartInfo start, string folder)
    {
        Dictionary<string, string?> kept = KeptVariables.Where(start.Environment.ContainsKey).ToDictionary(name => name, name => start.Environment[name]);
        start.Environment.Clear();
        foreach ((string name, string? value) in kept)
            start.Environment[name] = value;
        foreach (string name in (string[])["HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"])
            start.Environment[name] = folder;
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
    }
}
