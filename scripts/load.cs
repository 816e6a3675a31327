#:property PublishAot=false

// Puts the service under load and checks what comes back. Starts `onnxvlm serve` as a process of its own, asks a dozen questions one after the other, and then has many
// clients ask them at once, of which some hang up at random. Each question goes over all wires, OpenAI's chat and Responses, Anthropic's messages and Ollama's chat, and has the same answer on each:
//
//   dotnet run scripts/load.cs [-- --clients 64] [--seconds 120] [--model onnx-models/nano] [--cache-bytes 67108864] [--hostile 6] [--memory-limit-mb 2000]
//
// With --hostile so many more clients attack it, with a key of their own: costly schemas, texts of special tokens, answers that they do not read, bodies that trickle, texts of 30 MB. The others are then
// counted for the same time without them first, and must get at least half as many answers with them.
//
// Exit code 1 where a request of a client that is not hostile ended with anything but an answer or status 429, where a finished answer is not the one of the quiet service, where
// sequences are left over, or where memory has grown by more than a tenth between the first half and the end. On Linux the service gets MALLOC_ARENA_MAX=2: with an arena for
// each thread, glibc takes minutes until it holds as much freed memory as it ever will, which looks like a leak and is none.

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
int clients = int.Parse(Argument("--clients", "64"), CultureInfo.InvariantCulture);
TimeSpan duration = TimeSpan.FromSeconds(int.Parse(Argument("--seconds", "120"), CultureInfo.InvariantCulture));
string model = Path.GetFullPath(Argument("--model", Path.Combine(root, "onnx-models", "nano")));
string cacheBytes = Argument("--cache-bytes", "67108864");
int hostile = int.Parse(Argument("--hostile", "0"), CultureInfo.InvariantCulture);
double memoryLimit = 1e6 * double.Parse(Argument("--memory-limit-mb", "2000"), CultureInfo.InvariantCulture);
const string FriendKey = "friend", HostileKey = "hostile";

Build();
(Process server, Uri address) = StartServer();
using HttpClient http = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(30) }) { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };
http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", FriendKey);
try
{
    Question[] questions = CreateQuestions();
    string[] expected = new string[questions.Length];
    for (int i = 0; i < questions.Length; i++)
        expected[i] = (await AskAsync(questions[i], Wire.Chat, maxEvents: int.MaxValue, CancellationToken.None)).Text ?? throw new InvalidOperationException($"question {i} was not answered by the quiet service");
    foreach ((int i, Question question) in questions.Index())
    {
        foreach (Wire wire in question.Bodies.Keys.Where(wire => wire != Wire.Chat))
        {
            if ((await AskAsync(question, wire, maxEvents: int.MaxValue, CancellationToken.None)).Text is var text && text != expected[i])
                throw new InvalidOperationException($"question {i} has another answer on the wire {wire}: {JsonSerializer.Serialize(text)} in place of {JsonSerializer.Serialize(expected[i])}");
        }
    }
    Console.WriteLine($"{questions.Length} questions answered one after the other, {expected.Sum(text => text.Length)} characters");

    Tally alone = new();
    if (hostile > 0)
    {
        Stopwatch before = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(seed => Task.Run(() => ClientAsync(seed, questions, expected, alone, before))));
        Console.WriteLine($"without hostile clients: {alone}");
    }

    Tally tally = new();
    Dictionary<string, double> quiet = await MetricsAsync();
    List<(double MemoryBytes, double Owners)> samples = [];
    Stopwatch watch = Stopwatch.StartNew();
    Task[] running = [.. Enumerable.Range(0, clients).Select(seed => Task.Run(() => ClientAsync(seed, questions, expected, tally, watch)))];
    Task[] attacking = [.. Enumerable.Range(0, hostile).Select(number => Task.Run(() => AttackAsync(number, watch)))];
    while (watch.Elapsed < duration)
    {
        await Task.Delay(TimeSpan.FromSeconds(5));
        Dictionary<string, double> now = await MetricsAsync();
        samples.Add((now["dotnet_process_memory_working_set_bytes"], now["onnxvlm_native_owners"]));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{watch.Elapsed.TotalSeconds,5:F0} s  {tally}  {samples[^1].MemoryBytes / 1e6:F0} MB, {now["dotnet_gc_last_collection_memory_committed_size_bytes"] / 1e6:F0} of them managed  {samples[^1].Owners} owners  {now["onnxvlm_server_requests_running"]} running  {now["onnxvlm_server_requests_waiting"]} waiting"));
    }
    await Task.WhenAll(running);
    await Task.WhenAll(attacking);
    Dictionary<string, double> end = await QuietAsync();

    double early = samples.Take(Math.Max(1, samples.Count / 2)).Max(sample => sample.MemoryBytes);
    double late = end["dotnet_process_memory_working_set_bytes"];
    Console.WriteLine($"{tally}");
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"memory: {early / 1e6:F0} MB at most in the first half, {late / 1e6:F0} MB at the end; native owners: {quiet["onnxvlm_native_owners"]} before, {end["onnxvlm_native_owners"]} after"));

    // With a cache, idle sequences stay on purpose; without one nothing may.
    bool leaks = cacheBytes == "0" && end["onnxvlm_native_owners"] > quiet["onnxvlm_native_owners"];
    bool grows = hostile == 0 && late > 1.1 * early;
    bool large = hostile > 0 && samples.Max(sample => sample.MemoryBytes) > memoryLimit;
    bool slow = 2 * tally.Finished < alone.Finished;
    if (hostile > 0)
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"with {hostile} hostile clients: {(double)tally.Finished / alone.Finished:P0} of the answers, at most {samples.Max(sample => sample.MemoryBytes) / 1e6:F0} MB of {memoryLimit / 1e6:F0}"));
    bool good = tally is { Wrong: 0, Errors: 0, Finished: > 0, HungUp: > 0 } && !leaks && !grows && !large && !slow && end["onnxvlm_server_requests_running"] == 0 && end["onnxvlm_server_requests_waiting"] == 0;
    Console.WriteLine(good ? "all checks passed" : $"FAILED:{(leaks ? " sequences are left over" : "")}{(grows ? " memory grows" : "")}{(large ? " too much memory" : "")}{(slow ? " too slow beside hostile clients" : "")}{(tally.Wrong + tally.Errors > 0 ? " wrong answers or errors" : "")}");
    return good ? 0 : 1;
}
finally
{
    Stop(server);
}

async Task ClientAsync(int seed, Question[] questions, string[] expected, Tally tally, Stopwatch watch)
{
    Random random = new(seed);
    while (watch.Elapsed < duration)
    {
        int i = random.Next(questions.Length);
        Wire wire = questions[i].Bodies.Keys.ElementAt(random.Next(questions[i].Bodies.Count));
        using CancellationTokenSource hangUp = new();
        int fate = random.Next(100);
        if (fate < 10)
            hangUp.CancelAfter(random.Next(1, 2000));
        int maxEvents = fate is >= 10 and < 30 ? random.Next(1, 12) : int.MaxValue;
        try
        {
            (HttpStatusCode status, string? text) = await AskAsync(questions[i], wire, maxEvents, hangUp.Token);
            if (status == HttpStatusCode.TooManyRequests)
            {
                Interlocked.Increment(ref tally.Refused);
                await Task.Delay(random.Next(200, 1000));
            }
            else if (text is null)
                Interlocked.Increment(ref tally.HungUp);
            else if (text == expected[i])
            {
                Interlocked.Increment(ref tally.Finished);
                Interlocked.Increment(ref tally.OfWire[(int)wire]);
            }
            else
            {
                Interlocked.Increment(ref tally.Wrong);
                Console.WriteLine($"question {i} ({wire}): expected {JsonSerializer.Serialize(expected[i])}, got {JsonSerializer.Serialize(text)}");
            }
        }
        catch (OperationCanceledException) when (hangUp.IsCancellationRequested)
        {
            Interlocked.Increment(ref tally.HungUp);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or InvalidOperationException or OperationCanceledException)
        {
            Interlocked.Increment(ref tally.Errors);
            Console.WriteLine($"question {i} ({wire}): {e.Message}");
        }
    }
}

// One kind of attack after the other, each client beginning with another; what the service says to it does not matter.
async Task AttackAsync(int number, Stopwatch watch)
{
    string patterns = string.Join(',', Enumerable.Range(1, 199).Select(i => $$"""{"pattern":"^.*a.{{{i}}}b.*$"}"""));
    string schema = """{"model":"load","max_tokens":200,"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"string","allOf":[""" + patterns + "]}}}}";
    string special = $$"""{"model":"load","messages":[{"role":"user","content":"{{string.Concat(Enumerable.Repeat("<|image|>", 80_000))}}"}]}""";
    string large = $$"""{"model":"load","messages":[{"role":"user","content":"{{new string('x', 30_000_000)}}"}]}""";
    const string Unread = """{"model":"load","stream":true,"n":8,"max_tokens":1000,"temperature":2,"logprobs":true,"top_logprobs":20,"messages":[{"role":"user","content":"Tell me everything."}]}""";
    for (int round = number; watch.Elapsed < duration; round++)
    {
        try
        {
            using CancellationTokenSource end = new(duration);
            switch (round % 5)
            {
                case 0: await PostAsync("/v1/chat/completions", schema, end.Token); break;
                case 1: await PostAsync("/tokenize", special, end.Token); break;
                case 2: await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => HoldAsync(Unread, Unread.Length, TimeSpan.FromSeconds(10)))); break;
                case 3: await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => HoldAsync("{", 1_000_000, TimeSpan.FromSeconds(10)))); break;
                default: await PostAsync("/v1/chat/completions", large, end.Token); break;
            }
        }
        catch (Exception e) when (e is HttpRequestException or IOException or SocketException or OperationCanceledException)
        {
            await Task.Delay(20);
        }
    }
}

async Task PostAsync(string path, string body, CancellationToken cancellationToken)
{
    using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", HostileKey);
    using HttpResponseMessage response = await http.SendAsync(request, cancellationToken);
}

// Sends the beginning of a request, reads nothing, and hangs up later.
async Task HoldAsync(string body, int declaredLength, TimeSpan time)
{
    using Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
    await socket.ConnectAsync(address.Host, address.Port);
    await socket.SendAsync(Encoding.UTF8.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {HostileKey}\r\nContent-Type: application/json\r\nContent-Length: {declaredLength}\r\n\r\n{body}"));
    await Task.Delay(time);
}

// The text of a streamed answer; null where this side hung up first.
async Task<(HttpStatusCode Status, string? Text)> AskAsync(Question question, Wire wire, int maxEvents, CancellationToken cancellationToken)
{
    using HttpRequestMessage request = new(HttpMethod.Post, wire switch { Wire.Chat => "/v1/chat/completions", Wire.Responses => "/v1/responses", Wire.Messages => "/v1/messages", _ => "/api/chat" }) { Content = new StringContent(question.Bodies[wire], Encoding.UTF8, "application/json") };
    using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    if (response.StatusCode == HttpStatusCode.TooManyRequests)
        return (response.StatusCode, null);
    if (!response.IsSuccessStatusCode)
        throw new InvalidOperationException($"status {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellationToken)}");
    using StreamReader lines = new(await response.Content.ReadAsStreamAsync(cancellationToken));
    StringBuilder text = new();
    for (int events = 0; events < maxEvents; events++)
    {
        string? line = await lines.ReadLineAsync(cancellationToken);
        if (line == "data: [DONE]")
            return (response.StatusCode, text.ToString());
        if (line is null)
            throw new InvalidOperationException("the stream ended early");
        if (wire != Wire.Ollama && !line.StartsWith("data: ", StringComparison.Ordinal))
            continue;
        JsonElement chunk = JsonElement.Parse(wire == Wire.Ollama ? line : line[6..]);
        if (chunk.TryGetProperty("error", out JsonElement error))
            throw new InvalidOperationException($"error in the stream: {error.GetRawText()}");
        switch (wire)
        {
            case Wire.Chat:
                foreach (JsonElement choice in chunk.GetProperty("choices").EnumerateArray())
                {
                    if (choice.GetProperty("delta").TryGetProperty("content", out JsonElement content))
                        text.Append(content.GetString());
                }
                break;
            case Wire.Responses when chunk.GetProperty("type").GetString() is "response.output_text.delta":
                text.Append(chunk.GetProperty("delta").GetString());
                break;
            case Wire.Responses when chunk.GetProperty("type").GetString() is "response.completed" or "response.incomplete":
                return chunk.GetProperty("response").GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString() == text.ToString()
                    ? (response.StatusCode, text.ToString())
                    : throw new InvalidOperationException("the whole response is not the sum of its pieces");
            case Wire.Messages when chunk.GetProperty("type").GetString() is "content_block_delta":
                text.Append(chunk.GetProperty("delta").GetProperty("text").GetString());
                break;
            case Wire.Messages when chunk.GetProperty("type").GetString() is "message_stop":
                return (response.StatusCode, text.ToString());
            case Wire.Ollama:
                text.Append(chunk.GetProperty("message").GetProperty("content").GetString());
                if (chunk.GetProperty("done").GetBoolean())
                    return (response.StatusCode, text.ToString());
                break;
        }
    }
    return (response.StatusCode, null);
}

// Images, text, sampling with a seed, a schema.
Question[] CreateQuestions()
{
    string[] images = [.. Directory.GetFiles(Path.Combine(root, "tests", "data", "ocr", "images"), "*.png").Order(StringComparer.Ordinal).Take(6)];
    object schema = new { type = "object", properties = new { kind = new { @enum = new[] { "word", "number" } }, sure = new { type = "boolean" } }, required = new[] { "kind", "sure" } };
    return
    [
        .. images.Select(image => Create("What does the text say?", Convert.ToBase64String(File.ReadAllBytes(image)), 40)),
        .. Enumerable.Range(0, 4).Select(i => Create($"Tell me about number {i}.", null, 24, seed: i)),
        .. Enumerable.Range(0, 2).Select(i => Create($"Is {i} a word or a number?", null, 40, schema: schema)),
    ];

    // Anthropic's wire has no seed.
    static Question Create(string text, string? image, int tokens, int? seed = null, object? schema = null)
    {
        double temperature = seed is null ? 0 : 1;
        object[] none = [];
        Dictionary<Wire, object> bodies = new()
        {
            [Wire.Chat] = new
            {
                model = "load", stream = true, max_tokens = tokens, temperature, seed, response_format = schema is null ? null : new { type = "json_schema", json_schema = new { name = "kind", schema } },
                messages = new[] { new { role = "user", content = (image is null ? none : [new { type = "image_url", image_url = new { url = $"data:image/png;base64,{image}" } }]).Append(new { type = "text", text }) } },
            },
            [Wire.Responses] = new
            {
                model = "load", stream = true, max_output_tokens = tokens, temperature, seed, text = schema is null ? null : new { format = new { type = "json_schema", name = "kind", schema } },
                input = new[] { new { role = "user", content = (image is null ? none : [new { type = "input_image", image_url = $"data:image/png;base64,{image}" }]).Append(new { type = "input_text", text }) } },
            },
            [Wire.Ollama] = new
            {
                model = "load", options = new { num_predict = tokens, temperature, seed }, format = schema,
                messages = new[] { new { role = "user", content = text, images = image is null ? null : new[] { image } } },
            },
        };
        if (seed is null)
        {
            bodies[Wire.Messages] = new
            {
                model = "load", stream = true, max_tokens = tokens, temperature, output_format = schema is null ? null : new { type = "json_schema", schema },
                messages = new[] { new { role = "user", content = (image is null ? none : [new { type = "image", source = new { type = "base64", media_type = "image/png", data = image } }]).Append(new { type = "text", text }) } },
            };
        }
        return new Question(bodies.ToDictionary(body => body.Key, body => JsonSerializer.Serialize(body.Value)));
    }
}

async Task<Dictionary<string, double>> MetricsAsync()
{
    Dictionary<string, double> metrics = [];
    foreach (Match sample in Regex.Matches(await http.GetStringAsync("/metrics"), @"^(\w+) (\S+)$", RegexOptions.Multiline))
        metrics[sample.Groups[1].Value] = double.Parse(sample.Groups[2].Value, CultureInfo.InvariantCulture);
    return metrics;
}

async Task<Dictionary<string, double>> QuietAsync()
{
    for (int attempt = 0; ; attempt++)
    {
        Dictionary<string, double> metrics = await MetricsAsync();
        if (attempt == 60 || metrics["onnxvlm_server_requests_running"] + metrics["onnxvlm_server_requests_waiting"] == 0)
            return metrics;
        await Task.Delay(500);
    }
}

void Build()
{
    using Process build = Process.Start(new ProcessStartInfo("dotnet", ["build", Path.Combine(root, "src", "OnnxVlm.Cli"), "-c", "Release", "--nologo", "-v", "q"]) { WorkingDirectory = root })!;
    build.WaitForExit();
    if (build.ExitCode != 0)
        throw new InvalidOperationException("the build failed");
}

(Process, Uri) StartServer()
{
    ProcessStartInfo start = new("dotnet", [Path.Combine(root, "src", "OnnxVlm.Cli", "bin", "Release", "net10.0", "OnnxVlm.Cli.dll"), "serve", "--model", $"load={model}", "--urls", "http://127.0.0.1:0"])
    {
        WorkingDirectory = root,
        RedirectStandardError = true,
    };
    start.Environment["OnnxVlmServer__Models__0__CacheBytes"] = cacheBytes;
    start.Environment["Logging__LogLevel__Default"] = "Warning";
    start.Environment["MALLOC_ARENA_MAX"] = "2";
    start.Environment["OnnxVlmServer__ApiKeys__0"] = FriendKey;
    start.Environment["OnnxVlmServer__ApiKeys__1"] = HostileKey;
    Process process = Process.Start(start)!;
    while (process.StandardError.ReadLine() is { } line)
    {
        if (Regex.Match(line, @"Listening on (http://\S+)") is { Success: true } listening)
        {
            _ = process.StandardError.BaseStream.CopyToAsync(Stream.Null);
            return (process, new Uri(listening.Groups[1].Value));
        }
        Console.Error.WriteLine(line);
    }
    throw new InvalidOperationException("the service did not start");
}

static void Stop(Process server)
{
    if (!server.HasExited)
        server.Kill();
    server.WaitForExit();
    server.Dispose();
}

string Argument(string name, string fallback)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : fallback;
}

static string ThisFile([CallerFilePath] string path = "") => path;

internal enum Wire
{
    Chat,
    Responses,
    Messages,
    Ollama,
}

/// <summary>A question in the form of each wire that can ask it.</summary>
internal sealed record Question(IReadOnlyDictionary<Wire, string> Bodies);

internal sealed class Tally
{
    public readonly int[] OfWire = new int[4];
    public int Finished;
    public int HungUp;
    public int Refused;
    public int Wrong;
    public int Errors;

    public override string ToString() => $"{Finished} answered ({string.Join(", ", Enum.GetValues<Wire>().Select(wire => $"{wire} {OfWire[(int)wire]}"))}), {HungUp} hung up, {Refused} refused with 429, {Wrong} wrong, {Errors} errors";
}
