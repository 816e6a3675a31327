#:property PublishAot=false

// Packs everything that is published: each project that is packable, and the packages of src/Packages that only name others.
//
//   dotnet run scripts/pack.cs -- FOLDER [-p:NAME=VALUE]...
//
// Prints the packages with their sizes; exit code 1 where one is larger than 200 MB. -p:RepositoryUrl=ADDRESS puts the address into the packages, and turns SourceLink on.

using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;

const long MaxBytes = 200_000_000;
string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
if (args.Length == 0 || args[0].StartsWith('-'))
    return Fail("name the folder for the packages: dotnet run scripts/pack.cs -- FOLDER");
string feed = Path.GetFullPath(args[0]);
string[] properties = args[1..];
Directory.CreateDirectory(feed);

if (Run(root, ["pack", Path.Combine(root, "OnnxVlm.sln"), "-c", "Release", "-o", feed, "--nologo", "-v", "quiet", "-clp:NoSummary", .. properties]) is not 0 and int packed)
    return packed;

// A .nuspec is packed without a restore: what it depends on need not be served here.
JsonElement values = ReadProperties("Version", "Authors", "PackageTags", "RepositoryUrl", "OnnxRuntimeVersion", "OnnxRuntimeGenAIVersion");
string address = Value("RepositoryUrl");
DirectoryInfo sources = Directory.CreateTempSubdirectory("onnxvlm-pack-");
try
{
    foreach (string file in Directory.EnumerateFiles(Path.Combine(root, "src", "Packages")))
        File.Copy(file, Path.Combine(sources.FullName, Path.GetFileName(file)));
    foreach (string nuspec in Directory.EnumerateFiles(sources.FullName, "*.nuspec"))
    {
        if (address.Length == 0)
            File.WriteAllLines(nuspec, File.ReadAllLines(nuspec).Where(line => !line.Contains("$repositoryUrl$", StringComparison.Ordinal)));
        int exitCode = Run(sources.FullName, [
            "pack", nuspec, "-o", feed, "-v", "quiet", $"-p:version={Value("Version")}", $"-p:authors={Value("Authors")}", $"-p:tags={Value("PackageTags").Replace(';', ' ')}",
            $"-p:repositoryUrl={address}", $"-p:onnxRuntime={Value("OnnxRuntimeVersion")}", $"-p:genAI={Value("OnnxRuntimeGenAIVersion")}",
        ]);
        if (exitCode != 0)
            return exitCode;
    }
}
finally
{
    sources.Delete(recursive: true);
}

FileInfo[] packages = [.. new DirectoryInfo(feed).GetFiles("*.nupkg").OrderBy(file => file.Name, StringComparer.Ordinal)];
foreach (FileInfo package in packages)
    Console.WriteLine($"{package.Length / 1e6,8:F2} MB  {package.Name}");
return packages.FirstOrDefault(package => package.Length > MaxBytes) is { } large ? Fail($"{large.Name} is larger than {MaxBytes / 1_000_000} MB") : 0;

// As the libraries see them.
JsonElement ReadProperties(params string[] names)
{
    ProcessStartInfo start = new("dotnet", ["msbuild", Path.Combine(root, "src", "OnnxVlm", "OnnxVlm.csproj"), $"-getProperty:{string.Join(',', names)}", .. properties])
    {
        WorkingDirectory = root, RedirectStandardOutput = true,
    };
    using Process process = Process.Start(start)!;
    string output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return JsonElement.Parse(output).GetProperty("Properties");
}

string Value(string name) => values.GetProperty(name).GetString()!;

static int Run(string folder, string[] arguments)
{
    using Process process = Process.Start(new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = folder })!;
    process.WaitForExit();
    return process.ExitCode;
}

static int Fail(string message)
{
    Console.Error.WriteLine($"pack: {message}");
    return 1;
}

static string ThisFile([CallerFilePath] string path = "") => path;
