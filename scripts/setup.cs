#:property PublishAot=false

// Chooses where the ONNX Runtime packages come from, and writes the choice to OnnxVlm.Packages.g.props.
//
//   dotnet run scripts/setup.cs [-- --runtime cuda|directml|winml|cpu] [-- --force]
//
// 1. Ask the configured NuGet source, with a real restore, for the packages of the runtime flavour, for ImageSharp and for
//    Microsoft.ML.Tokenizers; what is not served is left out of the build.
// 2. Where it does not serve the runtime, build packages with the same ids from npm packages that carry the same native
//    libraries and Microsoft's managed sources, pinned by integrity hash, into the local folder feed `.feed/`. Their
//    versions have a suffix that Microsoft will never publish, so that no package cache is ever polluted.
// 3. Do nothing when nothing changed since the last time.

using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;

const string PropsName = "OnnxVlm.Packages.g.props";
const string OrtVersion = "1.29.0";
const string GenAIVersion = "0.15.2";
const string ExtensionsVersion = "0.14.0";
const string NpmVersion = "0.4.9";
const string Suffix = $"-npm.{NpmVersion}";

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string feed = Path.Combine(root, ".feed");
string propsPath = Path.Combine(root, PropsName);

try
{
    return Setup(ParseArguments());
}
catch (SetupException e)
{
    Console.Error.WriteLine($"setup: {e.Message}");
    return 1;
}

int Setup((string? Runtime, bool Force) options)
{
    string key = Fingerprint(options.Runtime);
    if (!options.Force && IsUpToDate(key))
    {
        Console.WriteLine($"setup: up to date, see {PropsName}.");
        return 0;
    }

    string flavour = options.Runtime ?? "cuda";
    Console.WriteLine($"setup: asking NuGet for the packages (runtime {flavour}) …");
    string[] runtimePackages = RuntimePackages(flavour);
    bool runtimeServed = IsServed([.. runtimePackages, $"Microsoft.ML.OnnxRuntime.Extensions/{ExtensionsVersion}"]);
    bool imageSharpServed = IsServed(["SixLabors.ImageSharp/3.1.12"]);
    bool tokenizersServed = IsServed(["Microsoft.ML.Tokenizers/2.0.0"]);

    if (!runtimeServed && options.Runtime is not (null or "cpu"))
    {
        throw new SetupException($"the NuGet source does not serve {runtimePackages[0].Split('/')[0]}, and only the cpu runtime can be built from npm. "
            + "Add a NuGet source that serves it, or run: dotnet run scripts/setup.cs -- --runtime cpu");
    }

    if (!runtimeServed)
    {
        flavour = "cpu";
        BuildFeed();
    }

    WriteProps(key, flavour, fromFeed: !runtimeServed, imageSharpServed, tokenizersServed);
    Console.WriteLine(runtimeServed
        ? $"setup: runtime {flavour} from NuGet: ONNX Runtime {OrtVersion}, GenAI {GenAIVersion}."
        : $"setup: runtime cpu, built from npm into .feed (NuGet does not serve {runtimePackages[0].Split('/')[0]}): ONNX Runtime {OrtVersion}, GenAI {GenAIVersion}.");
    Console.WriteLine(imageSharpServed
        ? "setup: images are decoded by SixLabors.ImageSharp."
        : "setup: images are decoded by ONNX Runtime Extensions (NuGet does not serve SixLabors.ImageSharp).");
    Console.WriteLine(tokenizersServed
        ? "setup: tokens are counted by Microsoft.ML.Tokenizers where no model is loaded."
        : "setup: OnnxVlm.Tokenizers is left out (NuGet does not serve Microsoft.ML.Tokenizers).");
    return 0;
}

(string? Runtime, bool Force) ParseArguments()
{
    string? runtime = Environment.GetEnvironmentVariable("OnnxVlmRuntime") is { Length: > 0 } fromEnvironment ? fromEnvironment : null;
    bool force = false;
    for (int i = 0; i < args.Length; i++)
    {
        switch (args[i])
        {
            case "--force": force = true; break;
            case "--runtime" when i + 1 < args.Length: runtime = args[++i]; break;
            default: throw new SetupException($"unknown argument '{args[i]}'. Known: --runtime cuda|directml|winml|cpu, --force.");
        }
    }
    if (runtime is not (null or "cuda" or "directml" or "winml" or "cpu"))
        throw new SetupException($"unknown runtime '{runtime}'. Known: cuda, directml, winml, cpu.");
    return (runtime, force);
}

// Everything that decides the outcome, so that a change of any of it runs the setup again.
string Fingerprint(string? runtime)
{
    string inputs = File.ReadAllText(ThisFile()) + File.ReadAllText(Path.Combine(root, "Directory.Packages.props")) + runtime;
    return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(inputs)))[..16];
}

bool IsUpToDate(string key)
{
    if (!File.Exists(propsPath))
        return false;
    string props = File.ReadAllText(propsPath);
    return props.Contains($"<OnnxVlmSetupKey>{key}</OnnxVlmSetupKey>", StringComparison.Ordinal)
        && (!props.Contains(".feed", StringComparison.Ordinal) || FeedPackages().All(p => File.Exists(Path.Combine(feed, $"{p.Id}.{p.Version}.nupkg"))));
}

string[] RuntimePackages(string flavour) => flavour switch
{
    "cuda" => [$"Microsoft.ML.OnnxRuntimeGenAI.Cuda/{GenAIVersion}", $"Microsoft.ML.OnnxRuntime.Gpu/{OrtVersion}"],
    "directml" => ["Microsoft.ML.OnnxRuntimeGenAI.DirectML/0.14.1"],
    "winml" => [$"Microsoft.ML.OnnxRuntimeGenAI.WinML/{GenAIVersion}"],
    _ => [$"Microsoft.ML.OnnxRuntimeGenAI/{GenAIVersion}", $"Microsoft.ML.OnnxRuntime/{OrtVersion}"],
};

// A real restore sees what a build will see: sources, credentials and package source mapping of this machine.
bool IsServed(string[] packages)
{
    using TemporaryFolder folder = new();
    string references = string.Concat(packages.Select(p => p.Split('/')).Select(p => $"""<PackageReference Include="{p[0]}" Version="[{p[1]}]" />"""));
    File.WriteAllText(Path.Combine(folder.Path, "Directory.Build.props"), "<Project />");
    File.WriteAllText(Path.Combine(folder.Path, "Directory.Packages.props"), "<Project />");
    File.WriteAllText(Path.Combine(folder.Path, "probe.csproj"), $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
          <ItemGroup>{references}</ItemGroup>
        </Project>
        """);
    (int exitCode, string output) = Run("dotnet", ["restore", "probe.csproj"], folder.Path);
    if (exitCode == 0)
        return true;
    if (output.Contains("NU1101", StringComparison.Ordinal) || output.Contains("NU1102", StringComparison.Ordinal) || output.Contains("NU1103", StringComparison.Ordinal))
        return false;
    throw new SetupException($"NuGet could not be asked for {packages[0]}: {FirstError(output)} Check the network and the NuGet sources (dotnet nuget list source).");
}

NpmPackage[] NpmPackages() =>
[
    new("com.github.asus4.onnxruntime", "sha512-BkzxduSZ9IkeDP6Q8lz2TFU2ie7hSSvS7ZIfzMooExoq0CNzJnuuGaUJ7IsojBgqO4ouD1jXah8OYyJbCN29Fg=="),
    new("com.github.asus4.onnxruntime-genai", "sha512-DkSWLL7iFOGyQe1kLIBpXwy1kKfj5J8/lh62lgVRzYi4/psWQW7NroRw4PIPyFfai/G03Zv9MP/cSv8mjBezcA=="),
    new("com.github.asus4.onnxruntime-extensions", "sha512-aAt/rcVooUfftROQXTrQg6cIxO0nI5PmOt0i1jO99xhIW4JoBZwzSKSl2nROnCKh5TkMNRD2WIC0WEzGVJUM6Q=="),
];

// In the order of their dependencies. A managed package holds Microsoft's sources compiled, a native one the libraries of each platform.
FeedPackage[] FeedPackages() =>
[
    new("Microsoft.ML.OnnxRuntime.Managed", OrtVersion + Suffix, "com.github.asus4.onnxruntime", IsManaged: true,
        Dependencies: ["System.Numerics.Tensors/9.0.19"], GlobalUsing: "System.Reflection"),
    new("Microsoft.ML.OnnxRuntime", OrtVersion + Suffix, "com.github.asus4.onnxruntime", IsManaged: false,
        Dependencies: [$"Microsoft.ML.OnnxRuntime.Managed/{OrtVersion + Suffix}"]),
    new("Microsoft.ML.OnnxRuntimeGenAI.Managed", GenAIVersion + Suffix, "com.github.asus4.onnxruntime-genai", IsManaged: true,
        Dependencies: ["Microsoft.Extensions.AI.Abstractions/10.11.0"]),
    new("Microsoft.ML.OnnxRuntimeGenAI", GenAIVersion + Suffix, "com.github.asus4.onnxruntime-genai", IsManaged: false,
        Dependencies: [$"Microsoft.ML.OnnxRuntimeGenAI.Managed/{GenAIVersion + Suffix}", $"Microsoft.ML.OnnxRuntime/{OrtVersion + Suffix}"]),
    new("Microsoft.ML.OnnxRuntime.Extensions", ExtensionsVersion + Suffix, "com.github.asus4.onnxruntime-extensions", IsManaged: false, Dependencies: []),
];

void BuildFeed()
{
    using TemporaryFolder work = new();
    Directory.CreateDirectory(feed);
    foreach (NpmPackage package in NpmPackages())
        Unpack(Download(package, work.Path), Path.Combine(work.Path, package.Name));
    foreach (FeedPackage package in FeedPackages())
        Pack(package, work.Path);
}

string Download(NpmPackage package, string folder)
{
    Console.WriteLine($"setup: npm {package.Name} {NpmVersion} …");
    (int exitCode, string output) = RunNpm(["pack", $"{package.Name}@{NpmVersion}", "--pack-destination", folder, "--loglevel", "error"], folder);
    if (exitCode != 0)
        throw new SetupException($"npm could not download {package.Name}@{NpmVersion}: {FirstError(output)} Check the network and the npm registry (npm config get registry).");

    string archive = Path.Combine(folder, $"{package.Name}-{NpmVersion}.tgz");
    using FileStream stream = File.OpenRead(archive);
    string found = "sha512-" + Convert.ToBase64String(SHA512.HashData(stream));
    if (found != package.Integrity)
        throw new SetupException($"{package.Name}@{NpmVersion} is not the pinned package: expected {package.Integrity}, found {found}. Nothing was installed.");
    return archive;
}

// Only what the packages are made of: the managed sources, the native libraries of three desktop systems, the licences.
void Unpack(string archive, string folder)
{
    using GZipStream gzip = new(File.OpenRead(archive), CompressionMode.Decompress);
    using TarReader reader = new(gzip);
    while (reader.GetNextEntry() is { } entry)
    {
        string name = entry.Name["package/".Length..];
        bool wanted = name.StartsWith("Runtime/", StringComparison.Ordinal) && name.EndsWith(".cs", StringComparison.Ordinal)
            || name.StartsWith("Plugins/Linux/", StringComparison.Ordinal)
            || name.StartsWith("Plugins/Windows/", StringComparison.Ordinal)
            || name.StartsWith("Plugins/macOS/", StringComparison.Ordinal)
            || name is "LICENSE" or "ThirdPartyNotices.txt";
        if (!wanted || entry.EntryType is not TarEntryType.RegularFile || name.EndsWith(".meta", StringComparison.Ordinal))
            continue;
        string path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        entry.ExtractToFile(path, overwrite: true);
    }
    File.Delete(archive);
}

void Pack(FeedPackage package, string work)
{
    Console.WriteLine($"setup: packing {package.Id} {package.Version} …");
    string sources = Path.Combine(work, package.Npm);
    string project = Path.Combine(work, "projects", package.Id);
    Directory.CreateDirectory(project);
    File.WriteAllText(Path.Combine(project, "Directory.Build.props"), "<Project />");
    File.WriteAllText(Path.Combine(project, "Directory.Packages.props"), "<Project />");
    File.WriteAllText(Path.Combine(project, $"{package.Id}.csproj"), ProjectFile(package, sources));

    ForgetCached(package);
    (int exitCode, string output) = Run("dotnet", ["pack", $"{package.Id}.csproj", "-c", "Release", "-o", feed, "--nologo", "-v", "quiet"], project);
    if (exitCode != 0)
        throw new SetupException($"{package.Id} could not be packed: {FirstError(output)}");
}

string ProjectFile(FeedPackage package, string sources)
{
    StringBuilder items = new();
    foreach (string[] dependency in package.Dependencies.Select(d => d.Split('/')))
        items.AppendLine($"""    <PackageReference Include="{dependency[0]}" Version="{dependency[1]}" />""");
    if (package.IsManaged)
        items.AppendLine($"""    <Compile Include="{sources}/Runtime/**/*.cs" />""");
    if (package.GlobalUsing is not null)
        items.AppendLine($"""    <Using Include="{package.GlobalUsing}" />""");
    foreach ((string plugin, string rid) in package.IsManaged ? [] : NativeFolders())
        items.AppendLine($"""    <None Include="{sources}/Plugins/{plugin}/*" Pack="true" PackagePath="runtimes/{rid}/native/" />""");
    items.AppendLine($"""    <None Include="{sources}/LICENSE;{sources}/ThirdPartyNotices.txt" Pack="true" PackagePath="/" />""");

    return $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <TargetFramework>net10.0</TargetFramework>
            <PackageId>{package.Id}</PackageId>
            <AssemblyName>{(package.Id.EndsWith(".Managed", StringComparison.Ordinal) ? package.Id[..^".Managed".Length] : package.Id)}</AssemblyName>
            <Version>{package.Version}</Version>
            <Authors>Microsoft</Authors>
            <Description>{package.Id}, packed from the npm package {package.Npm} {NpmVersion}.</Description>
            <PackageLicenseFile>LICENSE</PackageLicenseFile>
            <AllowUnsafeBlocks>true</AllowUnsafeBlocks>
            <EnableDefaultItems>false</EnableDefaultItems>
            <IncludeBuildOutput>{(package.IsManaged ? "true" : "false")}</IncludeBuildOutput>
            <RestoreAdditionalProjectSources>{feed}</RestoreAdditionalProjectSources>
            <NoWarn>$(NoWarn);NU5128;NU1507;CS1591;CS8500;CS0618;CS0649;CS0169;SYSLIB0050</NoWarn>
          </PropertyGroup>
          <ItemGroup>
        {items}  </ItemGroup>
        </Project>
        """;
}

(string Plugin, string Rid)[] NativeFolders() =>
    [("Linux/x64", "linux-x64"), ("Linux/arm64", "linux-arm64"), ("Windows/x64", "win-x64"), ("Windows/arm64", "win-arm64"), ("macOS/arm64", "osx-arm64")];

// NuGet never looks again at a version that it has unpacked once; only versions with our own suffix are touched here.
void ForgetCached(FeedPackage package)
{
    string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
    string folder = Path.Combine(cache, package.Id.ToLowerInvariant(), package.Version);
    if (Directory.Exists(folder))
        Directory.Delete(folder, recursive: true);
}

void WriteProps(string key, string flavour, bool fromFeed, bool imageSharp, bool tokenizers)
{
    string versions = !fromFeed ? "" : $"""

            <OnnxRuntimeVersion>{OrtVersion + Suffix}</OnnxRuntimeVersion>
            <OnnxRuntimeGenAIVersion>{GenAIVersion + Suffix}</OnnxRuntimeGenAIVersion>
            <OnnxRuntimeExtensionsVersion>{ExtensionsVersion + Suffix}</OnnxRuntimeExtensionsVersion>
            <RestoreAdditionalProjectSources>$(RestoreAdditionalProjectSources);$(MSBuildThisFileDirectory).feed</RestoreAdditionalProjectSources>
        """;
    string temporary = propsPath + ".tmp";
    File.WriteAllText(temporary, $"""
        <Project>
          <!-- Written by scripts/setup.cs; run it again instead of editing this. -->
          <PropertyGroup>
            <OnnxVlmSetupKey>{key}</OnnxVlmSetupKey>
            <OnnxVlmRuntime Condition="'$(OnnxVlmRuntime)' == ''">{flavour}</OnnxVlmRuntime>
            <OnnxVlmImageSharp Condition="'$(OnnxVlmImageSharp)' == ''">{(imageSharp ? "true" : "false")}</OnnxVlmImageSharp>
            <OnnxVlmTokenizers Condition="'$(OnnxVlmTokenizers)' == ''">{(tokenizers ? "true" : "false")}</OnnxVlmTokenizers>{versions}
          </PropertyGroup>
        </Project>

        """);
    File.Move(temporary, propsPath, overwrite: true);
}

// On Windows npm is a command script, which only the command interpreter starts.
(int ExitCode, string Output) RunNpm(string[] arguments, string folder)
{
    try
    {
        return OperatingSystem.IsWindows() ? Run("cmd", ["/c", "npm", .. arguments], folder) : Run("npm", arguments, folder);
    }
    catch (System.ComponentModel.Win32Exception)
    {
        throw new SetupException("npm was not found, and the NuGet source does not serve Microsoft.ML.OnnxRuntimeGenAI. "
            + "Install Node.js (https://nodejs.org), or configure a NuGet source that serves it.");
    }
}

static (int ExitCode, string Output) Run(string program, string[] arguments, string folder)
{
    ProcessStartInfo start = new(program, arguments)
    {
        WorkingDirectory = folder,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };
    using Process process = Process.Start(start)!;
    Task<string> error = process.StandardError.ReadToEndAsync();
    string output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return (process.ExitCode, output + error.Result);
}

static string FirstError(string output)
{
    string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    return (lines.FirstOrDefault(l => l.Contains("error", StringComparison.OrdinalIgnoreCase)) ?? lines.FirstOrDefault() ?? "no output").TrimEnd('.') + ".";
}

static string ThisFile([CallerFilePath] string path = "") => path;

internal sealed record NpmPackage(string Name, string Integrity);

internal sealed record FeedPackage(string Id, string Version, string Npm, bool IsManaged, string[] Dependencies, string? GlobalUsing = null);

internal sealed class SetupException(string message) : Exception(message);

internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("onnxvlm-setup-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
