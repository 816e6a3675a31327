#:property PublishAot=false

// Sets the machine up and runs all tests:
//
//   dotnet run scripts/test.cs [-- <arguments for dotnet test, e.g. --filter FullyQualifiedName~Imaging>]

using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));

if (Run(["run", Path.Combine(root, "scripts", "setup.cs")], Console.WriteLine) != 0)
    return 1;

int passed = 0, failed = 0, skipped = 0;
int exitCode = Run(["test", Path.Combine(root, "OnnxVlm.sln"), "-c", "Release", "--nologo", .. args], line =>
{
    Console.WriteLine(line);
    if (Regex.Match(line, @"Failed:\s+(\d+), Passed:\s+(\d+), Skipped:\s+(\d+)") is { Success: true } summary)
    {
        failed += int.Parse(summary.Groups[1].Value);
        passed += int.Parse(summary.Groups[2].Value);
        skipped += int.Parse(summary.Groups[3].Value);
    }
});
Console.WriteLine(skipped == 0 ? $"{passed} passed, {failed} failed" : $"{passed} passed, {failed} failed, {skipped} skipped");
return exitCode;

int Run(string[] arguments, Action<string> onLine)
{
    ProcessStartInfo start = new("dotnet", arguments) { WorkingDirectory = root, RedirectStandardOutput = true };
    using Process process = Process.Start(start)!;
    while (process.StandardOutput.ReadLine() is { } line)
        onLine(line);
    process.WaitForExit();
    return process.ExitCode;
}

static string ThisFile([CallerFilePath] string path = "") => path;
