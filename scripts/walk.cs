#:project ../src/OnnxVlm.Cli/OnnxVlm.Cli.csproj
#:property PublishAot=false

// Counts the source files that a question runs through, from the command or the request to the first token:
//
//   dotnet run scripts/walk.cs [-- run|serve] [--list]
//
// The runtime tells each method that it compiles, and it compiles a method when it is first called; its symbols tell the file. A folder that is a program of its own counts as one
// file: the template interpreter and the tokenizer.

using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Net.Http.Json;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Runtime.CompilerServices;
using System.Text;
using Microsoft.AspNetCore.Builder;
using OnnxVlm.Server;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string model = Path.Combine(root, "onnx-models", "nano"), image = Path.Combine(model, "sample.png");
const string question = "What does the text say?";

TextWriter output = Console.Out;
using CompiledMethods methods = new();
if (args.Contains("serve"))
    await ServeAsync();
else
    await RunAsync();

string[] files = [.. methods.Files().Select(path => Path.GetRelativePath(root, path).Replace('\\', '/')).Where(path => !path.StartsWith("..", StringComparison.Ordinal) && !path.Contains("/obj/") && !path.StartsWith("scripts/"))];
string[] counted = [.. files.Select(Whole).Distinct().Order(StringComparer.Ordinal)];
Console.SetOut(output);
if (args.Contains("--list"))
{
    foreach (string file in counted)
        Console.WriteLine(file);
}
string[] longest = [.. files.OrderByDescending(file => File.ReadLines(Path.Combine(root, file)).Count()).Take(3).Select(file => $"{file} {File.ReadLines(Path.Combine(root, file)).Count()}")];
Console.WriteLine($"{counted.Length} files ({files.Length} with each file of the interpreter and the tokenizer); the longest: {string.Join(", ", longest)}");
return 0;

async Task RunAsync()
{
    Console.SetOut(new FirstWrite(methods.Stop));
    MethodInfo main = Assembly.Load("OnnxVlm.Cli").EntryPoint!;
    object? result = main.Invoke(null, [new[] { "run", "--model", model, "--image", image, "--prompt", question }]);
    if (result is Task task)
        await task;
}

async Task ServeAsync()
{
    await using WebApplication app = OnnxVlmServer.Create([
        new("OnnxVlmServer:Models:0:Name", "nano"), new("OnnxVlmServer:Models:0:Folder", model), new("urls", "http://127.0.0.1:0"), new("Logging:LogLevel:Default", "None"),
    ]);
    await app.StartAsync();
    using HttpClient client = new() { BaseAddress = new Uri(app.Urls.First()) };
    string data = "data:image/png;base64," + Convert.ToBase64String(await File.ReadAllBytesAsync(image));
    using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions")
    {
        Content = new StringContent($$$"""
            {"model": "nano", "stream": true, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "{{{data}}}"}}, {"type": "text", "text": "{{{question}}}"}]}]}
            """, Encoding.UTF8, "application/json"),
    };
    using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    using StreamReader stream = new(await response.Content.ReadAsStreamAsync());
    while (await stream.ReadLineAsync() is { } line && !line.Contains("\"content\":\"S"))
    {
    }
    methods.Stop();
    await app.StopAsync();
}

static string Whole(string file) =>
    file.Contains("/Prompting/Jinja/") ? "src/OnnxVlm/Prompting/Jinja" : file.StartsWith("src/OnnxVlm.Tokenizers/", StringComparison.Ordinal) ? "src/OnnxVlm.Tokenizers" : file;

static string ThisFile([CallerFilePath] string path = "") => path;

/// <summary>Calls back at the first text that is written.</summary>
internal sealed class FirstWrite(Action first) : StringWriter
{
    public override void Write(string? value)
    {
        if (!string.IsNullOrWhiteSpace(value))
            first();
    }
}

/// <summary>The methods of OnnxVlm that were compiled so far, and so called.</summary>
internal sealed class CompiledMethods : EventListener
{
    private const long Loader = 0x8, Jit = 0x10;
    private readonly ConcurrentDictionary<ulong, string> _modules = new();
    private readonly ConcurrentBag<(ulong Module, int Token)> _methods = [];
    private volatile bool _stopped;

    public void Stop() => _stopped = true;

    public SortedSet<string> Files()
    {
        SortedSet<string> files = new(StringComparer.Ordinal);
        foreach (IGrouping<ulong, (ulong Module, int Token)> module in _methods.GroupBy(method => method.Module))
        {
            string? path = _modules.GetValueOrDefault(module.Key), symbols = path is null ? null : Path.ChangeExtension(path, ".pdb");
            if (symbols is null || !Path.GetFileName(symbols).StartsWith("OnnxVlm", StringComparison.Ordinal) || !File.Exists(symbols))
                continue;
            using MetadataReaderProvider provider = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(symbols));
            MetadataReader reader = provider.GetMetadataReader();
            foreach ((_, int token) in module)
            {
                MethodDebugInformation information = reader.GetMethodDebugInformation(((MethodDefinitionHandle)MetadataTokens.Handle(token)).ToDebugInformationHandle());
                DocumentHandle document = information.Document.IsNil && !information.SequencePointsBlob.IsNil ? information.GetSequencePoints().First().Document : information.Document;
                if (!document.IsNil)
                    files.Add(reader.GetString(reader.GetDocument(document).Name));
            }
        }
        return files;
    }

    protected override void OnEventSourceCreated(EventSource source)
    {
        if (source.Name == "Microsoft-Windows-DotNETRuntime")
            EnableEvents(source, EventLevel.Verbose, (EventKeywords)(Loader | Jit));
    }

    protected override void OnEventWritten(EventWrittenEventArgs data)
    {
        if (data.EventName?.StartsWith("ModuleLoad", StringComparison.Ordinal) == true && Value(data, "ModuleILPath") is string path)
            _modules[(ulong)Value(data, "ModuleID")!] = path;
        else if (!_stopped && data.EventName?.StartsWith("MethodLoadVerbose", StringComparison.Ordinal) == true)
            _methods.Add(((ulong)Value(data, "ModuleID")!, (int)(uint)Value(data, "MethodToken")!));
    }

    private static object? Value(EventWrittenEventArgs data, string name) => data.PayloadNames!.IndexOf(name) is var index and >= 0 ? data.Payload![index] : null;
}
