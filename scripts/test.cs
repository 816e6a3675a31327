#:property PublishAot=false

// Builds everything and runs all tests:
//
//   dotnet run scripts/test.cs [-- <arguments for dotnet test, e.g. --filter FullyQualifiedName~Imaging>]
//
// The tests of the web page need Chromium, Chrome or Edge. The environment variable OnnxVlmBrowser names one; else one is looked for; else, as root on Debian, Chromium is
// installed. Where there is none, or OnnxVlmBrowser is "none", these tests are left out, and the output says so.

using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));

string? browser = Environment.GetEnvironmentVariable("OnnxVlmBrowser") is { Length: > 0 } named ? named : FindBrowser() ?? InstallBrowser();
Environment.SetEnvironmentVariable("OnnxVlmBrowser", browser ?? "none"); // also a property of the build

int passed = 0, failed = 0, skipped = 0;
int exitCode = Run("dotnet", ["test", Path.Combine(root, "OnnxVlm.sln"), "-c", "Release", "--nologo", .. args], line =>
{
    Console.WriteLine(line);
    if (Regex.Match(line, @"Failed:\s+(\d+), Passed:\s+(\d+), Skipped:\s+(\d+)") is { Success: true } summary)
    {
        failed += int.Parse(summary.Groups[1].Value);
        passed += int.Parse(summary.Groups[2].Value);
        skipped += int.Parse(summary.Groups[3].Value);
    }
});
if (browser is null or "none")
    Console.WriteLine("The web page was not tested: no browser. Install one (Debian: apt-get install chromium), or set OnnxVlmBrowser to the path of Chromium, Chrome or Edge.");
Console.WriteLine(skipped == 0 ? $"{passed} passed, {failed} failed" : $"{passed} passed, {failed} failed, {skipped} skipped");
return exitCode;

static string? FindBrowser()
{
    string[] names = OperatingSystem.IsWindows() ? ["chrome.exe", "msedge.exe"] : ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];
    IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
    string[] places =
    [
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "Google", "Chrome", "Application", "chrome.exe"),
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFilesX86), "Microsoft", "Edge", "Application", "msedge.exe"),
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ];
    return names.SelectMany(name => folders.Select(folder => Path.Combine(folder, name))).Concat(places).FirstOrDefault(File.Exists);
}

string? InstallBrowser()
{
    if (!File.Exists("/usr/bin/apt-get") || !Environment.IsPrivilegedProcess)
        return null;
    Console.WriteLine("test: installing Chromium for the tests of the web page …");
    Environment.SetEnvironmentVariable("DEBIAN_FRONTEND", "noninteractive");
    Run("apt-get", ["update", "--quiet"], _ => { });
    Run("apt-get", ["install", "--yes", "--quiet", "--no-install-recommends", "chromium"], _ => { });
    return FindBrowser();
}

int Run(string program, string[] arguments, Action<string> onLine)
{
    ProcessStartInfo start = new(program, arguments) { WorkingDirectory = root, RedirectStandardOutput = true };
    using Process process = Process.Start(start)!;
    while (process.StandardOutput.ReadLine() is { } line)
        onLine(line);
    process.WaitForExit();
    return process.ExitCode;
}

static string ThisFile([CallerFilePath] string path = "") => path;
