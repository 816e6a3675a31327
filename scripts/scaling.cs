#:property PublishAot=false

// Scaling out, tried: two replicas of the service on this machine behind nginx with src/OnnxVlm.Server/deploy/nginx.conf, and clients that hold conversations while one
// replica is killed, comes back, and the other is stopped as an upgrade would. Reports what the clients saw; exit code 1 if they saw what they should not.
//
//   dotnet build src/OnnxVlm.Cli -c Release                                     first
//   dotnet run scripts/scaling.cs [-- --seconds 20] [--clients 16]              nginx is needed: apt-get install nginx-light

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

const string Key = "key-of-the-scaling-check";
string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string program = Path.Combine(root, "src", "OnnxVlm.Cli", "bin", "Release", "net10.0", "OnnxVlm.Cli.dll");
string model = Path.Combine(root, "onnx-models", "nano");
TimeSpan phaseTime = TimeSpan.FromSeconds(Argument("--seconds", 20));
int clientCount = Argument("--clients", 16);
if (!File.Exists(program))
    return Fail($"{program} is missing; build src/OnnxVlm.Cli first, in Release.");
if (new[] { "/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx" }.FirstOrDefault(File.Exists) is not { } nginxProgram)
    return Fail("nginx is not installed; install it, on Debian with: apt-get install nginx-light");

string folder = Directory.CreateTempSubdirectory("onnxvlm-scaling-").FullName;
int[] ports = [FreePort(), FreePort()];
int entrance = FreePort();
using X509Certificate2 certificate = CreateCertificate();
WriteNginxConfiguration();

// An answer is checked against what a replica said alone, before there was any load.
string[] questions = ["Who are you?", "What can you do?", "What does the text say?", "Is there an image?", "Read it again, please.", "How many words are there?"];
string image = $"data:image/png;base64,{Convert.ToBase64String(File.ReadAllBytes(Path.Combine(model, "sample.png")))}";
const int Turns = 3;
string[][] expected = new string[questions.Length][];
JsonElement longForm = JsonElement.Parse("""
    {"type": "json_schema", "json_schema": {"name": "ones", "schema": {"type": "array", "items": {"const": 1}, "minItems": 40, "maxItems": 40}}}
    """);

Process?[] replicas = new Process?[2];
Process? nginx = null;
using HttpClient http = CreateClient();
ConcurrentBag<Outcome> outcomes = [];
int begunStreams = 0, begunAtKill = 0;
int mistakes = 0;
try
{
    await Task.WhenAll(StartReplicaAsync(0), StartReplicaAsync(1));
    nginx = Start(nginxProgram, ["-c", Path.Combine(folder, "nginx.conf"), "-e", Path.Combine(folder, "error.log"), "-p", folder], null);
    await WaitUntilReadyAsync(http, nginx, "error.log");
    for (int i = 0; i < questions.Length; i++)
        expected[i] = await LearnAsync(i);
    int affinityBegin = File.ReadAllLines(LogPath()).Length;

    using CancellationTokenSource ending = new();
    Task[] clients = [.. Enumerable.Range(0, clientCount).Select(client => Task.Run(() => ConverseAsync(client, ending.Token)))];

    await PhaseAsync("both replicas run", () => Task.CompletedTask, killed: false);
    CheckAffinity(affinityBegin);
    await PhaseAsync("replica 1 is killed (SIGKILL)", KillAsync, killed: true);
    await PhaseAsync("replica 1 is back", () => StartReplicaAsync(0), killed: false);
    await PhaseAsync("replica 2 is stopped (SIGTERM) and started again", RestartGracefullyAsync, killed: false);

    await ending.CancelAsync();
    await Task.WhenAll(clients);
    await CheckTooLargeAsync();
    await CheckNothingLeftAsync();
}
finally
{
    foreach (Process process in replicas.Append(nginx).OfType<Process>().Where(process => !process.HasExited))
    {
        Signal(process, "TERM");
        process.WaitForExit();
    }
}
Directory.Delete(folder, recursive: true);
Console.WriteLine(mistakes == 0 ? "scaling: as it should be" : $"scaling: {mistakes} checks failed");
return mistakes == 0 ? 0 : 1;

async Task PhaseAsync(string name, Func<Task> act, bool killed)
{
    outcomes = [];
    int firstLine = File.ReadAllLines(LogPath()).Length;
    await act();
    // On a slow machine longer, so that there is something to see.
    for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed < phaseTime || outcomes.Count < 2 * clientCount; await Task.Delay(100))
        Check(watch.Elapsed < TimeSpan.FromMinutes(10), "answers do not come any more", isFatal: true);
    Outcome[] seen = [.. outcomes];
    string[] lines = [.. File.ReadAllLines(LogPath()).Skip(firstLine)];
    int Count(Ending ending) => seen.Count(outcome => outcome.Ending == ending);
    Console.WriteLine($"{name}: {seen.Length} answers, {Count(Ending.Whole)} whole and right, {Count(Ending.Wrong)} wrong, {Count(Ending.Cut)} cut off, "
        + $"{Count(Ending.Refused)} refused ({string.Join(", ", seen.Where(outcome => outcome.Ending == Ending.Refused).Select(outcome => outcome.Detail).Distinct())}); "
        + $"nginx passed {lines.Count(line => line.Contains(", ", StringComparison.Ordinal))} on to the other replica; "
        + $"longest {seen.Select(outcome => outcome.Time.TotalSeconds).DefaultIfEmpty().Max():F1} s");
    Check(Count(Ending.Whole) > 0, "no answer came");
    Check(Count(Ending.Wrong) == 0, "answers were wrong");
    Check(Count(Ending.Refused) == 0, "requests were refused");
    // A stream that has begun cannot go on elsewhere. Whatever else ran on the killed replica does.
    Check(Count(Ending.Cut) <= (killed ? begunAtKill : 0), "more was cut off than the streams that had begun");
    Check(!seen.Any(outcome => outcome is { Ending: Ending.Cut, IsStream: false }), "answers that were not streamed were cut off");
}

async Task KillAsync()
{
    // In the middle of an answer.
    while ((begunAtKill = Volatile.Read(ref begunStreams)) == 0)
        await Task.Delay(1);
    replicas[0]!.Kill();
    Console.WriteLine($"  {begunAtKill} streams had begun, on both replicas together");
}

// Conversations, one after the other: each under its own name, its turns one on top of the other, half of them streamed.
async Task ConverseAsync(int client, CancellationToken cancellationToken)
{
    for (int number = 0; !cancellationToken.IsCancellationRequested; number++)
    {
        int question = (client + number) % questions.Length;
        string session = $"client-{client}-{number}";
        for (int turn = 0; turn < Turns && !cancellationToken.IsCancellationRequested; turn++)
        {
            Outcome outcome = await AskAsync(question, turn, session, isStream: (client + number) % 2 == 0);
            outcomes.Add(outcome);
            if (outcome.Ending is not (Ending.Whole or Ending.Wrong))
                await Task.Delay(500, CancellationToken.None);
        }
    }
}

async Task<Outcome> AskAsync(int question, int turn, string session, bool isStream)
{
    Stopwatch watch = Stopwatch.StartNew();
    try
    {
        using HttpRequestMessage request = Request(question, turn, session, isStream);
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode)
            return new Outcome(Ending.Refused, isStream, watch.Elapsed, $"{(int)response.StatusCode}");
        string? text = isStream ? await ReadStreamAsync(response) : ContentOf(await response.Content.ReadFromJsonAsync<JsonElement>());
        return new Outcome(text is null ? Ending.Cut : text == expected[question][turn] ? Ending.Whole : Ending.Wrong, isStream, watch.Elapsed);
    }
    catch (HttpRequestException e) when (e.HttpRequestError is not HttpRequestError.ResponseEnded)
    {
        return new Outcome(Ending.Refused, isStream, watch.Elapsed, $"{e.HttpRequestError}");
    }
    catch (Exception e) when (e is HttpRequestException or IOException)
    {
        return new Outcome(Ending.Cut, isStream, watch.Elapsed);
    }
}

// The answers of a conversation, from a replica alone.
async Task<string[]> LearnAsync(int question)
{
    expected[question] = new string[Turns];
    for (int turn = 0; turn < Turns; turn++)
    {
        using HttpRequestMessage request = Request(question, turn, "alone", isStream: false);
        using HttpResponseMessage response = await http.SendAsync(request);
        response.EnsureSuccessStatusCode();
        expected[question][turn] = ContentOf(await response.Content.ReadFromJsonAsync<JsonElement>());
    }
    return expected[question];
}

// Every third conversation is of answers that cannot be short.
HttpRequestMessage Request(int question, int turn, string session, bool isStream)
{
    List<object> messages = [];
    for (int i = 0; i <= turn; i++)
    {
        string text = questions[(question + i) % questions.Length];
        object[] content = i == 0 && question % 2 == 0 ? [new { type = "image_url", image_url = new { url = image } }, new { type = "text", text }] : [new { type = "text", text }];
        messages.Add(new { role = "user", content });
        if (i < turn)
            messages.Add(new { role = "assistant", content = expected[question][i] });
    }
    HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = JsonContent.Create(new { model = "nano", messages, stream = isStream, max_tokens = 400, response_format = question % 3 == 0 ? longForm : (JsonElement?)null }) };
    request.Headers.Add("X-Session-Id", session);
    return request;
}

// The text of a stream; null if it ends without [DONE].
async Task<string?> ReadStreamAsync(HttpResponseMessage response)
{
    Interlocked.Increment(ref begunStreams);
    try
    {
        return await ReadEventsAsync(response);
    }
    finally
    {
        Interlocked.Decrement(ref begunStreams);
    }
}

static async Task<string?> ReadEventsAsync(HttpResponseMessage response)
{
    using StreamReader reader = new(await response.Content.ReadAsStreamAsync());
    string text = "";
    while (await reader.ReadLineAsync() is { } line)
    {
        if (line == "data: [DONE]")
            return text;
        if (line.StartsWith("data: ", StringComparison.Ordinal) && JsonElement.Parse(line[6..]) is var chunk && chunk.TryGetProperty("choices", out JsonElement choices))
            text += choices[0].GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : "";
    }
    return null;
}

static string ContentOf(JsonElement completion) => completion.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;

// While nothing fails, each conversation has one replica, and both have some.
void CheckAffinity(int firstLine)
{
    string[][] requests = [.. File.ReadAllLines(LogPath()).Skip(firstLine).Select(line => line.Split(' ')).Where(fields => fields[^1].StartsWith("client-", StringComparison.Ordinal))];
    ILookup<string, string> replicasOf = requests.ToLookup(fields => fields[^1], fields => fields[6]);
    int strayed = replicasOf.Count(conversation => conversation.Distinct().Count() > 1);
    int[] shares = [.. requests.CountBy(fields => fields[6]).Select(share => share.Value)];
    Console.WriteLine($"  {replicasOf.Count} conversations, {strayed} of them on more than one replica; requests by replica: {string.Join(" and ", shares)}");
    Check(strayed == 0, "conversations changed their replica");
    Check(shares.Length == 2, "one replica had nothing to do");
}

async Task RestartGracefullyAsync()
{
    Process leaving = replicas[1]!;
    Stopwatch watch = Stopwatch.StartNew();
    Signal(leaving, "TERM");
    await leaving.WaitForExitAsync();
    Console.WriteLine($"  it ended after {watch.Elapsed.TotalSeconds:F1} s with exit code {leaving.ExitCode}");
    Check(leaving.ExitCode == 0, "a stopped replica did not end well");
    await Task.Delay(phaseTime / 4);
    await StartReplicaAsync(1);
}

// What nginx refuses itself, it refuses in the form of the API.
async Task CheckTooLargeAsync()
{
    using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions") { Content = new ByteArrayContent(new byte[33 << 20]) };
    request.Headers.ExpectContinue = true;
    using HttpResponseMessage response = await http.SendAsync(request);
    string body = await response.Content.ReadAsStringAsync();
    Console.WriteLine($"a body of 33 MiB: {(int)response.StatusCode}, {body}");
    Check(response.StatusCode == HttpStatusCode.RequestEntityTooLarge && CodeOf(body) == "request_too_large", "no 413 in the form of the API");
}

// Without any replica nginx answers in the form of the API.
async Task CheckNothingLeftAsync()
{
    foreach (Process? replica in replicas)
    {
        replica!.Kill();
        await replica.WaitForExitAsync();
    }
    using HttpRequestMessage request = Request(0, 0, "late", isStream: true);
    using HttpResponseMessage response = await http.SendAsync(request);
    string body = await response.Content.ReadAsStringAsync();
    Console.WriteLine($"no replica is left: {(int)response.StatusCode}, Retry-After {response.Headers.RetryAfter}, {body}");
    Check(response.StatusCode == HttpStatusCode.ServiceUnavailable && response.Headers.RetryAfter is not null && CodeOf(body) == "unavailable", "no 503 with Retry-After in the form of the API");
}

static string? CodeOf(string body) => JsonElement.Parse(body).GetProperty("error").GetProperty("code").GetString();

async Task StartReplicaAsync(int number)
{
    replicas[number] = Start("dotnet", [program, "serve", "--model", model, "--urls", $"http://127.0.0.1:{ports[number]}"], $"replica{number + 1}.log");
    using HttpClient direct = new() { BaseAddress = new Uri($"http://127.0.0.1:{ports[number]}") };
    await WaitUntilReadyAsync(direct, replicas[number]!, $"replica{number + 1}.log");
}

async Task WaitUntilReadyAsync(HttpClient client, Process process, string log)
{
    for (Stopwatch watch = Stopwatch.StartNew(); ; await Task.Delay(100))
    {
        if (process.HasExited || watch.Elapsed > TimeSpan.FromMinutes(2))
            throw new InvalidOperationException($"Not ready: {File.ReadAllText(Path.Combine(folder, log))}");
        try
        {
            if ((await client.GetAsync("/health")).IsSuccessStatusCode)
                return;
        }
        catch (HttpRequestException)
        {
            // Not yet.
        }
    }
}

// A child whose output goes to a file of the folder.
Process Start(string file, string[] arguments, string? log)
{
    ProcessStartInfo start = new(file, arguments) { RedirectStandardOutput = log is not null, RedirectStandardError = log is not null };
    start.Environment["OnnxVlmServer__ApiKeys__0"] = Key;
    start.Environment["ASPNETCORE_FORWARDEDHEADERS_ENABLED"] = "true";
    Process process = Process.Start(start)!;
    if (log is null)
        return process;
    StreamWriter writer = TextWriterTo(Path.Combine(folder, log));
    void Write(object sender, DataReceivedEventArgs line)
    {
        lock (writer)
            writer.WriteLine(line.Data);
    }
    process.OutputDataReceived += Write;
    process.ErrorDataReceived += Write;
    process.BeginOutputReadLine();
    process.BeginErrorReadLine();
    return process;
}

static StreamWriter TextWriterTo(string path) => new(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true };

static void Signal(Process process, string name)
{
    using Process kill = Process.Start("kill", [$"-{name}", $"{process.Id}"]);
    kill.WaitForExit();
}

// The file that users copy, with only what they are told to change changed; and the log with the conversation's name at its end.
void WriteNginxConfiguration()
{
    string configuration = File.ReadAllText(Path.Combine(root, "src", "OnnxVlm.Server", "deploy", "nginx.conf"));
    (string Old, string New)[] changes =
    [
        ("10.0.0.11:8080", $"127.0.0.1:{ports[0]}"),
        ("10.0.0.12:8080", $"127.0.0.1:{ports[1]}"),
        ("listen 443 ssl", $"listen 127.0.0.1:{entrance} ssl"),
        ("/etc/ssl/onnxvlm", folder),
        ("/var/log/nginx/onnxvlm.log", LogPath()),
        ("$upstream_header_time'", "$upstream_header_time $http_x_session_id'"),
    ];
    foreach ((string old, string changed) in changes)
    {
        if (!configuration.Contains(old, StringComparison.Ordinal))
            throw new InvalidOperationException($"nginx.conf has no {old} any more; change this script as well.");
        configuration = configuration.Replace(old, changed, StringComparison.Ordinal);
    }
    File.WriteAllText(Path.Combine(folder, "onnxvlm.conf"), configuration);
    string paths = string.Concat(new[] { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" }.Select(name => $"{name}_temp_path {folder}/{name}; "));
    File.WriteAllText(Path.Combine(folder, "nginx.conf"), $"daemon off; worker_processes 2; pid {folder}/nginx.pid; events {{ }} http {{ {paths} include {folder}/onnxvlm.conf; }}");
    File.WriteAllText(Path.Combine(folder, "certificate.pem"), certificate.ExportCertificatePem());
    File.WriteAllText(Path.Combine(folder, "key.pem"), certificate.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
    File.WriteAllText(LogPath(), "");
}

static X509Certificate2 CreateCertificate()
{
    using RSA key = RSA.Create(2048);
    CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
    return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(4));
}

HttpClient CreateClient()
{
    string thumbprint = certificate.Thumbprint;
    SocketsHttpHandler handler = new() { SslOptions = { RemoteCertificateValidationCallback = (_, presented, _, _) => presented is X509Certificate2 theirs && theirs.Thumbprint == thumbprint } };
    HttpClient client = new(handler) { BaseAddress = new Uri($"https://127.0.0.1:{entrance}"), Timeout = TimeSpan.FromMinutes(5) };
    client.DefaultRequestHeaders.Authorization = new("Bearer", Key);
    return client;
}

static int FreePort()
{
    using TcpListener listener = new(IPAddress.Loopback, 0);
    listener.Start();
    return ((IPEndPoint)listener.LocalEndpoint).Port;
}

string LogPath() => Path.Combine(folder, "access.log");

void Check(bool holds, string complaint, bool isFatal = false)
{
    if (holds)
        return;
    if (isFatal)
        throw new InvalidOperationException(complaint);
    mistakes++;
    Console.WriteLine($"  FAILED: {complaint}");
}

int Argument(string name, int standard) => Array.IndexOf(args, name) is >= 0 and var place && place + 1 < args.Length ? int.Parse(args[place + 1]) : standard;

static int Fail(string message)
{
    Console.Error.WriteLine($"scaling: {message}");
    return 1;
}

static string ThisFile([CallerFilePath] string path = "") => path;

internal enum Ending
{
    Whole,
    Wrong,
    Cut,
    Refused,
}

internal sealed record Outcome(Ending Ending, bool IsStream, TimeSpan Time, string? Detail = null);
