#:property PublishAot=false

// The packages, used as their users use them: packs them into a folder, and from an empty folder outside the repository, with a package cache of its own, builds and runs programs that
// have nothing but the packages. Each answers a question about sample.png. Prints a table; exit code 1 if one does not answer as it should.
//
//   dotnet run scripts/consume.cs [-- --only NAME]... [--packages FOLDER] [--keep]
//
// --packages takes what scripts/pack.cs wrote, --keep leaves the folder there. NativeAOT needs gcc or clang: as root on Debian, clang is installed where neither is there.

using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

const string Expected = "Streaming"; // the words of sample.png
const string Question = "What does the text say?";
string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string machine = RuntimeInformation.RuntimeIdentifier.StartsWith("linux", StringComparison.Ordinal) ? $"linux-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}" : RuntimeInformation.RuntimeIdentifier;
string exe = OperatingSystem.IsWindows() ? ".exe" : "";
HashSet<string> only = [.. args.Zip(args.Skip(1)).Where(pair => pair.First == "--only").Select(pair => pair.Second)];

DirectoryInfo work = Directory.CreateTempSubdirectory("onnxvlm-consume-");
string feed = Array.IndexOf(args, "--packages") is >= 0 and int place ? Path.GetFullPath(args[place + 1]) : Path.Combine(work.FullName, "feed");
string program = FirstProgramOfReadme();
List<Row> rows = [];
int mistakes = 0;
try
{
    Stopwatch watch = Stopwatch.StartNew();
    if (!Directory.Exists(feed))
    {
        string packed = Run(root, "dotnet", ["run", Path.Combine(root, "scripts", "pack.cs"), "--", feed], ownCache: false);
        Console.WriteLine($"{packed}packed in {watch.Elapsed.TotalSeconds:F0} s");
    }
    string version = Regex.Match(Directory.EnumerateFiles(feed, "OnnxVlm.Cpu.*.nupkg").Single(), @"OnnxVlm\.Cpu\.(.+)\.nupkg$").Groups[1].Value;
    File.WriteAllText(Path.Combine(work.FullName, "nuget.config"), $"""<configuration><packageSources><add key="packed" value="{feed}" /></packageSources></configuration>""");

    Consumer[] consumers =
    [
        new("console-net8", "net8.0", program, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano"], ["publish", "-r", machine, "--self-contained"], IsHosted: false),
        new("console-net10", "net10.0", program, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano"], ["build"], IsHosted: true),
        new("aspnetcore", "net10.0", Web, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano", "OnnxVlm.Server"], ["build"], IsHosted: true, IsWeb: true),
        new("trimmed", "net10.0", program, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano"], ["publish", "-r", machine, "-p:PublishTrimmed=true"], IsHosted: false),
        new("native-aot", "net10.0", program, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano"], ["publish", "-r", machine, "-p:PublishAot=true", .. Linker()], IsHosted: false),
        new("single-file", "net10.0", program, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano"], ["publish", "-r", machine, "--self-contained", "-p:PublishSingleFile=true", "-p:IncludeNativeLibrariesForSelfExtract=true"], IsHosted: false),
    ];
    foreach (Consumer consumer in consumers.Where(consumer => IsAskedFor(consumer.Name)))
        Try(consumer.Name, () => Consume(consumer, version));
    if (IsAskedFor("tool"))
        Try("tool", () => ConsumeTool(version));
    if (IsAskedFor("no-runtime"))
        Try("no-runtime", () => ConsumeWithoutRuntime(version));
    foreach (string system in new[] { "win-x64", "linux-arm64" }.Where(IsAskedFor))
        Try(system, () => PublishFor(system, version));
    if (IsAskedFor("cuda"))
        Try("cuda", () => BuildForCuda(version));
    Console.WriteLine($"\n| consumer | size, MB (26 of it the model) | start to first token, s | built in, s |\n|---|---|---|---|");
    foreach (Row row in rows)
        Console.WriteLine($"| {row.Name} | {row.SizeBytes / 1e6:F0} | {row.FirstToken.TotalSeconds:F2} | {row.Build.TotalSeconds:F0} |");
    Console.WriteLine(mistakes == 0 ? $"consume: as it should be, in {watch.Elapsed.TotalSeconds:F0} s" : $"consume: {mistakes} failed");
}
catch (InvalidOperationException e)
{
    mistakes++;
    Console.Error.WriteLine($"consume: {e.Message}");
}
finally
{
    if (args.Contains("--keep"))
        Console.WriteLine(work.FullName);
    else
        work.Delete(recursive: true);
}
return mistakes == 0 ? 0 : 1;

bool IsAskedFor(string name) => only.Count == 0 || only.Contains(name);

void Try(string name, Action consume)
{
    try
    {
        consume();
    }
    catch (InvalidOperationException e)
    {
        mistakes++;
        Console.WriteLine($"{name}: FAILED: {e.Message}");
    }
}

void Consume(Consumer consumer, string version)
{
    string folder = CreateProject(consumer.Name, consumer.Framework, consumer.Code, consumer.Packages, version, consumer.IsWeb);
    string output = Path.Combine(folder, "out");
    Stopwatch watch = Stopwatch.StartNew();
    string said = Run(folder, "dotnet", [consumer.Build[0], "-c", "Release", "--nologo", "-o", output, .. consumer.Build[1..]]);
    RefuseWarningsOfOurs(said);
    TimeSpan build = watch.Elapsed;
    string start = consumer.IsHosted ? "dotnet" : Path.Combine(output, consumer.Name + exe);
    string[] arguments = consumer.IsHosted ? [Path.Combine(output, consumer.Name + ".dll")] : [];
    (string answer, TimeSpan first) = consumer.IsWeb ? AskWeb(output, start, arguments) : Ask(output, start, arguments);
    Report(consumer.Name, answer, SizeOf(output), first, build);
}

void ConsumeTool(string version)
{
    string folder = Directory.CreateDirectory(Path.Combine(work.FullName, "tool")).FullName;
    string nano = Path.Combine(root, "onnx-models", "nano");
    Stopwatch watch = Stopwatch.StartNew();
    Run(folder, "dotnet", ["tool", "install", "OnnxVlm.Cli", "--version", version, "--tool-path", Path.Combine(folder, "bin")]);
    TimeSpan install = watch.Elapsed;
    (string answer, TimeSpan first) = Ask(folder, Path.Combine(folder, "bin", "onnxvlm" + exe), ["run", "--model", nano, "--image", Path.Combine(nano, "sample.png"), "--prompt", Question]);
    Report("tool", answer, SizeOf(Path.Combine(folder, "bin")), first, install);
}

// A program with the library alone is told which package to add.
void ConsumeWithoutRuntime(string version)
{
    string folder = CreateProject("no-runtime", "net10.0", program, ["OnnxVlm", "OnnxVlm.Models.Nano"], version);
    Run(folder, "dotnet", ["build", "-c", "Release", "--nologo", "-o", "out"]);
    string said = Run(folder, "dotnet", [Path.Combine("out", "no-runtime.dll")], fails: true);
    if (!said.Contains("dotnet add package OnnxVlm.Cpu", StringComparison.Ordinal))
        throw new InvalidOperationException($"without a runtime the exception names no package: {said}");
    Console.WriteLine("no-runtime: the exception names OnnxVlm.Cpu");
}

// What a publish for another system has of native files.
void PublishFor(string system, string version)
{
    string folder = CreateProject(system, "net10.0", program, ["OnnxVlm.Cpu", "OnnxVlm.Models.Nano"], version);
    Run(folder, "dotnet", ["publish", "-c", "Release", "--nologo", "-r", system, "--no-self-contained", "-p:UseAppHost=false", "-o", "out"]);
    string[] wanted = system.StartsWith("win", StringComparison.Ordinal)
        ? ["onnxruntime.dll", "onnxruntime-genai.dll", "libSkiaSharp.dll"]
        : ["libonnxruntime.so", "libonnxruntime-genai.so", "libSkiaSharp.so"];
    string[] missing = [.. wanted.Where(file => !File.Exists(Path.Combine(folder, "out", file)))];
    if (missing.Length > 0)
        throw new InvalidOperationException($"the publish lacks {string.Join(", ", missing)}");
    Console.WriteLine($"{system}: {string.Join(", ", wanted)} are there, {SizeOf(Path.Combine(folder, "out")) / 1e6:F0} MB in all");
}

// The GPU's libonnxruntime has the name of the CPU's: which one the program has got is what its runtime says of itself.
void BuildForCuda(string version)
{
    const string Code = """
        Console.WriteLine(string.Join(' ', Microsoft.ML.OnnxRuntime.OrtEnv.Instance().GetAvailableProviders()));
        """;
    string folder = CreateProject("cuda", "net10.0", Code, ["OnnxVlm.Cuda"], version);
    Run(folder, "dotnet", ["publish", "-c", "Release", "--nologo", "-r", machine, "--no-self-contained", "-o", "out"]);
    string providers = Run(folder, "dotnet", [Path.Combine("out", "cuda.dll")]).Trim();
    if (!providers.Contains("CUDAExecutionProvider", StringComparison.Ordinal))
        throw new InvalidOperationException($"OnnxVlm.Cuda gave the CPU's runtime: {providers}");
    Console.WriteLine($"cuda: {providers}, {SizeOf(Path.Combine(folder, "out")) / 1e6:F0} MB");
}

string CreateProject(string name, string framework, string code, string[] packages, string version, bool isWeb = false)
{
    string folder = Directory.CreateDirectory(Path.Combine(work.FullName, name)).FullName;
    string references = string.Concat(packages.Select(package => $"""    <PackageReference Include="{package}" Version="{version}" />{"\n"}"""));
    File.WriteAllText(Path.Combine(folder, $"{name}.csproj"), $"""
        <Project Sdk="Microsoft.NET.Sdk{(isWeb ? ".Web" : "")}">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>{framework}</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
            <LangVersion>latest</LangVersion>
            <InvariantGlobalization>true</InvariantGlobalization>
          </PropertyGroup>
          <ItemGroup>
        {references}  </ItemGroup>
        </Project>
        """);
    File.WriteAllText(Path.Combine(folder, "Program.cs"), code);
    return folder;
}

// Of the linker and of NativeAOT: what other packages do wrong is theirs.
static void RefuseWarningsOfOurs(string output)
{
    if (output.Split('\n').FirstOrDefault(line => Regex.IsMatch(line, @"warning (IL|NETSDK|CS|MSB|NU)\d+") && line.Contains("OnnxVlm", StringComparison.Ordinal)) is { } warning)
        throw new InvalidOperationException($"a warning of ours: {warning.Trim()}");
}

void Report(string name, string answer, long sizeBytes, TimeSpan first, TimeSpan build)
{
    if (answer.Trim() != Expected)
        throw new InvalidOperationException($"expected \"{Expected}\", found \"{answer.Trim()}\"");
    rows.Add(new Row(name, sizeBytes, first, build));
    Console.WriteLine($"{name}: {answer.Trim()}");
}

// Runs a program to its end; the time is from its start to the first character that it writes.
(string Answer, TimeSpan FirstToken) Ask(string folder, string file, string[] arguments)
{
    using Process process = Start(folder, file, arguments);
    Task<string> errors = process.StandardError.ReadToEndAsync();
    Stopwatch watch = Stopwatch.StartNew();
    int first = process.StandardOutput.Read();
    TimeSpan time = watch.Elapsed;
    string rest = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0)
        throw new InvalidOperationException($"it ended with {process.ExitCode}: {errors.Result}");
    return ((char)first + rest, time);
}

(string Answer, TimeSpan FirstToken) AskWeb(string folder, string file, string[] arguments)
{
    using TcpListener listener = new(IPAddress.Loopback, 0);
    listener.Start();
    string address = $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
    listener.Stop();
    Stopwatch watch = Stopwatch.StartNew();
    using Process process = Start(folder, file, [.. arguments, "--urls", address]);
    process.OutputDataReceived += (_, _) => { };
    process.BeginOutputReadLine();
    Task<string> errors = process.StandardError.ReadToEndAsync();
    try
    {
        using HttpClient http = new() { Timeout = TimeSpan.FromMinutes(2) };
        while (true)
        {
            try
            {
                using Stream body = http.GetStreamAsync($"{address}/ask").GetAwaiter().GetResult();
                using StreamReader reader = new(body);
                int first = reader.Read();
                TimeSpan time = watch.Elapsed;
                return ((char)first + reader.ReadToEnd(), time);
            }
            catch (HttpRequestException e) when (e.HttpRequestError == HttpRequestError.ConnectionError && !process.HasExited && watch.Elapsed < TimeSpan.FromMinutes(2))
            {
                Thread.Sleep(20);
            }
            catch (HttpRequestException e)
            {
                throw new InvalidOperationException($"no answer: {e.Message} {(process.HasExited ? errors.Result : "")}", e);
            }
        }
    }
    finally
    {
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
    }
}

// The output of a command that has to succeed, or to fail.
string Run(string folder, string file, string[] arguments, bool ownCache = true, bool fails = false)
{
    using Process process = Start(folder, file, arguments, ownCache);
    Task<string> errors = process.StandardError.ReadToEndAsync();
    string output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode == 0 == fails)
        throw new InvalidOperationException($"{file} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{output}{errors.Result}");
    return output + errors.Result;
}

Process Start(string folder, string file, string[] arguments, bool ownCache = true)
{
    ProcessStartInfo start = new(file, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.UTF8 };
    if (ownCache)
        start.Environment["NUGET_PACKAGES"] = Path.Combine(work.FullName, "packages");
    start.Environment["DOTNET_BUNDLE_EXTRACT_BASE_DIR"] = Path.Combine(work.FullName, "extracted");
    start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
    return Process.Start(start)!;
}

// How NativeAOT links here: with clang, which is its default, or with gcc.
string[] Linker()
{
    if (OperatingSystem.IsWindows() || IsInstalled("clang"))
        return [];
    if (!IsInstalled("gcc") && IsAskedFor("native-aot") && File.Exists("/usr/bin/apt-get") && Environment.IsPrivilegedProcess)
    {
        Console.WriteLine("consume: installing clang for NativeAOT …");
        Environment.SetEnvironmentVariable("DEBIAN_FRONTEND", "noninteractive");
        Run("/", "apt-get", ["update", "--quiet"]);
        Run("/", "apt-get", ["install", "--yes", "--quiet", "--no-install-recommends", "clang", "lld", "zlib1g-dev"]);
        return [];
    }
    return ["-p:CppCompilerAndLinker=gcc"];
}

static bool IsInstalled(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));

static long SizeOf(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);

string FirstProgramOfReadme() => Regex.Match(File.ReadAllText(Path.Combine(root, "README.md")).ReplaceLineEndings("\n"), "^```csharp\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline).Groups[1].Value;

static string ThisFile([CallerFilePath] string path = "") => path;

internal sealed record Consumer(string Name, string Framework, string Code, string[] Packages, string[] Build, bool IsHosted, bool IsWeb = false);

internal sealed record Row(string Name, long SizeBytes, TimeSpan FirstToken, TimeSpan Build);

internal static partial class Program
{
    private const string Web = """
        using Microsoft.Extensions.AI;
        using OnnxVlm.Chat;
        using OnnxVlm.Models;

        WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
        builder.Services.AddOnnxVlm(options => options.ModelFolder = NanoModel.Folder);
        WebApplication app = builder.Build();
        app.MapGet("/ask", async (HttpResponse response, IChatClient client, CancellationToken cancellationToken) =>
        {
            ChatMessage question = new(ChatRole.User, [await DataContent.LoadFromAsync(NanoModel.SampleImage), new TextContent("What does the text say?")]);
            await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync([question], cancellationToken: cancellationToken))
                await response.WriteAsync(update.Text, cancellationToken);
        });
        app.Run();
        """;
}
