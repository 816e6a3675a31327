#:property PublishAot=false

// Bundles the page's libraries from npm into src/OnnxVlm.Server/wwwroot/vendor, where they are committed:
//
//   dotnet run scripts/bundle.cs             after a change of src/OnnxVlm.Server/bundle
//   dotnet run scripts/bundle.cs -- check    bundles them elsewhere and compares; in CI. Without npm it compares nothing, and says so.

using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string folder = Path.Combine(root, "src", "OnnxVlm.Server", "bundle");
string[] outputs = [Path.Combine("src", "OnnxVlm.Server", "wwwroot", "vendor"), Path.Combine("tests", "OnnxVlm.Page.Tests", "vendor")];

bool isCheck = args is ["check"];
if (args.Length > 0 && !isCheck)
{
    Console.Error.WriteLine("bundle: expected nothing, or check.");
    return 2;
}
if (!HasNpm())
{
    Console.Error.WriteLine("bundle: npm is missing; install Node.js 20 or newer to bundle the page's libraries.");
    return isCheck ? 0 : 1;
}
if (Run(Npm(), "ci", "--silent") is not 0 and int failure)
    return failure;
if (!isCheck)
    return Run("node", "bundle.mjs", root);

DirectoryInfo copy = Directory.CreateTempSubdirectory("onnxvlm-bundle-");
try
{
    if (Run("node", "bundle.mjs", copy.FullName) is not 0 and int error)
        return error;
    string[] differing = [.. outputs.SelectMany(output => Differences(Path.Combine(copy.FullName, output), Path.Combine(root, output)))];
    foreach (string file in differing)
        Console.Error.WriteLine($"bundle: {file} is not what the lockfile makes; run dotnet run scripts/bundle.cs and commit the result.");
    if (differing.Length == 0)
        Console.WriteLine("bundle: the committed files are what the lockfile makes.");
    return differing.Length == 0 ? 0 : 1;
}
finally
{
    copy.Delete(recursive: true);
}

static IEnumerable<string> Differences(string expected, string found)
{
    IEnumerable<string> Files(string where) => Directory.Exists(where) ? Directory.EnumerateFiles(where, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(where, file)) : [];
    return Files(expected).Union(Files(found)).Where(file => !AreEqual(Path.Combine(expected, file), Path.Combine(found, file))).Order(StringComparer.Ordinal);
}

static bool AreEqual(string one, string other) => File.Exists(one) && File.Exists(other) && File.ReadAllBytes(one).AsSpan().SequenceEqual(File.ReadAllBytes(other));

static string Npm() => OperatingSystem.IsWindows() ? "npm.cmd" : "npm";

bool HasNpm()
{
    try
    {
        using Process? process = Process.Start(new ProcessStartInfo(Npm(), "--version") { RedirectStandardOutput = true });
        process!.WaitForExit();
        return process.ExitCode == 0;
    }
    catch (Win32Exception)
    {
        return false;
    }
}

int Run(string program, params string[] arguments)
{
    using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder })!;
    process.WaitForExit();
    return process.ExitCode;
}

static string ThisFile([CallerFilePath] string path = "") => path;
