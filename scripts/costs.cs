#:property PublishAot=false

// What requests cost the service, in processor time and memory. Starts `onnxvlm serve` as a process of its own, on Linux, and sends it one request at a time:
//
//   dotnet run scripts/costs.cs -- table                                  each field that can be large, at 1, 10 and 100 times a size, on each address that has it
//   dotnet run scripts/costs.cs -- search [--minutes 60] [--seed 1]       random schemas, grammars, expressions, bodies and hang-ups
//
// Both take --model DIR, --cli PATH of OnnxVlm.Cli.dll and --port N (a free one). The table prints one line a field in Markdown; exit code 1 where a cost grows faster than the size, or a request takes more memory than 20 times its body (and 48 MB, which the
// garbage collector takes when it likes). The search prints what it tried; exit code 1 where the service ends, answers with status 500, or a request takes more than its budget: 10 s of processor time, 1.5 GB in all. The
// body of such a request is left in the temporary folder.

using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

const double MaxSeconds = 10, MaxMegabytes = 1500, SpareMegabytes = 48;
string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string model = Path.GetFullPath(Argument("--model", Path.Combine(root, "onnx-models", "nano")));
(Process server, Uri address) = StartServer();
using HttpClient http = new() { BaseAddress = address, Timeout = TimeSpan.FromMinutes(3) };
try
{
    // The first requests compile code.
    for (int i = 0; i < 20; i++)
        await SendAsync("/v1/chat/completions", Chat(body => body["response_format"] = Schema(new JsonObject { ["type"] = "string", ["maxLength"] = 3 })).ToJsonString());
    return args.FirstOrDefault() switch
    {
        "table" => await TableAsync(),
        "search" => await SearchAsync(TimeSpan.FromMinutes(double.Parse(Argument("--minutes", "60"), CultureInfo.InvariantCulture)), int.Parse(Argument("--seed", "1"), CultureInfo.InvariantCulture)),
        _ => Usage(),
    };
}
finally
{
    if (!server.HasExited)
        server.Kill();
}

static int Usage()
{
    Console.Error.WriteLine("table | search: see the head of scripts/costs.cs");
    return 2;
}

async Task<int> TableAsync()
{
    Console.WriteLine("| address | field | size | 1× | 10× | 100× |");
    Console.WriteLine("|---|---|---|---|---|---|");
    bool good = true;
    foreach ((string path, string field, int size, Func<int, string> body) in Fields())
    {
        List<Cost> costs = [];
        foreach (int times in new[] { 1, 10, 100 })
        {
            string text = body(size * times);
            if (text.Length > 40_000_000)
                break;
            // The garbage collector works when it likes: of three, the least is the request's own.
            List<Cost> same = [];
            for (int i = 0; i < 3; i++)
                same.Add(await SendAsync(path, text));
            costs.Add(same.MinBy(cost => cost.Seconds)! with { Megabytes = same.Min(cost => cost.Megabytes) });
        }

        bool grows = false, large = false;
        for (int i = 0; i < costs.Count; i++)
        {
            // Twice the proportion, above what one can measure.
            grows |= i > 0 && costs[i].Seconds > 0.15 + (2 * costs[i].Bytes / Math.Max(1, costs[i - 1].Bytes) * costs[i - 1].Seconds);
            large |= costs[i].Megabytes > SpareMegabytes + (20 * costs[i].Bytes / 1e6);
        }

        good &= !grows && !large;
        Console.WriteLine($"| `{path}` | {field} | {size} | {string.Join(" | ", costs)} |{(grows ? " GROWS FASTER THAN ITS SIZE" : "")}{(large ? " TOO MUCH MEMORY" : "")}");
    }

    return good && !server.HasExited ? 0 : 1;
}

// Address, field, what one is, and the body of so many.
IEnumerable<(string Path, string Field, int Size, Func<int, string> Body)> Fields()
{
    string[] conversations = ["/v1/chat/completions", "/v1/chat/completions/input_tokens", "/apply-template", "/tokenize"];
    foreach (string path in conversations)
    {
        bool answers = path == "/v1/chat/completions";
        yield return (path, "content: characters", 20_000, size => Conversation(path, body => SetContent(body, new string('x', size))));
        yield return (path, "content: special tokens", 3_000, size => Conversation(path, body => SetContent(body, Repeat("<|im_end|>", size))));
        yield return (path, "content: emoji", 5_000, size => Conversation(path, body => SetContent(body, Repeat("👍🏽", size))));
        yield return (path, "content: parts", 1_000, size => Conversation(path, body => SetContent(body, List(size, _ => new JsonObject { ["type"] = "text", ["text"] = "a" }))));
        yield return (path, "content: levels", 100, size => Conversation(path, body => SetContent(body, "§")).Replace("\"§\"", new string('[', size) + new string(']', size), StringComparison.Ordinal));
        yield return (path, "messages", 100, size => Conversation(path, body => body["messages"] = List(size, i => Message(i % 2 == 0 ? "user" : "assistant", "x"))));
        yield return (path, "image: bytes that are none", 100_000, size => Conversation(path, body => SetContent(body, new JsonArray(Image(new byte[size])))));
        yield return (path, "image: pixels of a side, all black", 100, size => Conversation(path, body => SetContent(body, new JsonArray(Image(Png(size, size))))));
        yield return (path, "images", 8, size => Conversation(path, body => SetContent(body, List(size, _ => Image(Png(64, 64))))));
        yield return (path, "arguments of a call", 10_000, size => Conversation(path, body => body["messages"] = new JsonArray(Message("user", "x"), Calling(size), Message("user", "y"))));
        if (path == "/v1/chat/completions/input_tokens" || path == "/apply-template")
            continue;
        yield return (path, "tools", 100, size => Conversation(path, body => body["tools"] = List(size, i => Tool($"f{i}", new JsonObject()))));
        yield return (path, "tool: properties", 100, size => Conversation(path, body => body["tools"] = new JsonArray(Tool("f", ObjectOf(size)))));
        yield return (path, "tool: description", 10_000, size => Conversation(path, body => body["tools"] = new JsonArray(Tool("f", new JsonObject(), new string('d', size)))));
        yield return (path, "a name that nobody knows", 10_000, size => Conversation(path, body => body[new string('n', size)] = 1));
        yield return (path, "model", 10_000, size => Conversation(path, body => body["model"] = new string('m', size)));
        if (!answers)
            continue;
        yield return (path, "stop: characters", 1_000, size => Conversation(path, body => body["stop"] = new string('s', size)));
        yield return (path, "stop: texts", 4, size => Conversation(path, body => body["stop"] = List(size, i => $"stop {i}")));
        yield return (path, "stop_token_ids", 100, size => Conversation(path, body => body["stop_token_ids"] = List(size, i => i % 500)));
        yield return (path, "logit_bias", 300, size => Conversation(path, body => body["logit_bias"] = Object(size, i => $"{i}", _ => 1)));
        yield return (path, "n", 1, size => Conversation(path, body => body["n"] = size));
        yield return (path, "metadata", 1_000, size => Conversation(path, body => body["metadata"] = Object(size, i => $"k{i}", _ => "v")));
        yield return (path, "chat_template_kwargs", 1_000, size => Conversation(path, body => body["chat_template_kwargs"] = Object(size, i => $"k{i}", _ => "v")));
        yield return (path, "guided_choice", 100, size => Conversation(path, body => body["guided_choice"] = List(size, i => $"choice {i}")));
        yield return (path, "guided_regex: characters", 300, size => Conversation(path, body => body["guided_regex"] = new string('a', size)));
        yield return (path, "guided_regex: repetitions", 100, size => Conversation(path, body => body["guided_regex"] = $"(abc|de){{{size}}}"));
        yield return (path, "guided_regex: .*a.{n}", 10, size => Conversation(path, body => body["guided_regex"] = $".*a.{{{size}}}"));
        yield return (path, "guided_grammar: rules", 100, size => Conversation(path, body => body["guided_grammar"] = "start: r0\n" + string.Concat(Enumerable.Range(0, size).Select(i => $"r{i}: \"a\" r{i + 1} | \"b\"\n")) + $"r{size}: \"c\"\n"));
        foreach ((string name, int first, Func<int, JsonObject> schema) in Schemas())
        {
            yield return (path, $"schema: {name}", first, size => Conversation(path, body => body["response_format"] = Schema(schema(size))));
            yield return (path, $"tool: {name}", first, size => Conversation(path, body =>
            {
                body["tools"] = new JsonArray(Tool("f", new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { ["a"] = schema(size) }, ["required"] = new JsonArray("a") }));
                body["tool_choice"] = "required";
            }));
        }
    }

    // The other wires, which put the same conversation into other fields.
    (string Path, string Field)[] others = [("/v1/responses", "input"), ("/v1/responses/input_tokens", "input"), ("/api/generate", "prompt"), ("/api/generate", "system")];
    foreach ((string path, string field) in others)
    {
        yield return (path, $"{field}: characters", 20_000, size => Other(path, body => body[field] = new string('x', size)));
        yield return (path, $"{field}: special tokens", 3_000, size => Other(path, body => body[field] = Repeat("<|im_end|>", size)));
    }

    foreach (string path in new[] { "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/api/chat" })
    {
        string list = path == "/v1/responses" ? "input" : "messages";
        yield return (path, "characters", 20_000, size => Other(path, body => body[list] = new JsonArray(Message("user", new string('x', size)))));
        yield return (path, "special tokens", 3_000, size => Other(path, body => body[list] = new JsonArray(Message("user", Repeat("<|im_end|>", size)))));
        yield return (path, "messages", 100, size => Other(path, body => body[list] = List(size, i => Message(i % 2 == 0 ? "user" : "assistant", "x"))));
        yield return (path, "a name that nobody knows", 10_000, size => Other(path, body => body[new string('n', size)] = 1));
    }

    yield return ("/v1/responses", "previous_response_id", 1_000, size => Other("/v1/responses", body => body["previous_response_id"] = new string('r', size)));
    yield return ("/api/chat", "format: properties", 30, size => Other("/api/chat", body => body["format"] = ObjectOf(size)));
    yield return ("/api/chat", "images", 8, size => Other("/api/chat", body => body["messages"]![0]!["images"] = List(size, _ => Convert.ToBase64String(Png(64, 64)))));
    yield return ("/v1/completions", "prompt: characters", 20_000, size => Completion(body => body["prompt"] = new string('x', size)));
    yield return ("/v1/completions", "prompt: special tokens", 3_000, size => Completion(body => body["prompt"] = Repeat("<|im_end|>", size)));
    yield return ("/v1/completions", "prompts", 1, size => Completion(body => body["prompt"] = List(size, _ => "x")));
    yield return ("/v1/completions", "prompt: token ids", 2_000, size => Completion(body => body["prompt"] = List(size, _ => 100)));
    yield return ("/v1/completions", "best_of", 1, size => Completion(body => body["best_of"] = size));
    yield return ("/tokenize", "prompt: characters", 20_000, size => Completion(body => body["prompt"] = new string('x', size), limit: false));
    yield return ("/tokenize", "prompt: special tokens", 3_000, size => Completion(body => body["prompt"] = Repeat("<|image|>", size), limit: false));
    yield return ("/tokenize", "prompt: one word", 20_000, size => Completion(body => body["prompt"] = Repeat("ab", size), limit: false));
    yield return ("/detokenize", "tokens", 2_000, size => Completion(body => body["tokens"] = List(size, _ => 100), limit: false));
}

IEnumerable<(string Name, int Size, Func<int, JsonObject> Schema)> Schemas()
{
    yield return ("properties", 30, ObjectOf);
    yield return ("enum", 100, size => new JsonObject { ["enum"] = List(size, i => $"value {i}") });
    yield return ("const: characters", 600, size => new JsonObject { ["const"] = new string('c', size) });
    yield return ("pattern: repetitions", 190, size => new JsonObject { ["type"] = "string", ["pattern"] = $"^[a-z]{{{size}}}$" });
    yield return (".*a.{n} in a pattern", 10, size => new JsonObject { ["type"] = "string", ["pattern"] = $"^.*a.{{{size}}}b.*$" });
    yield return ("patterns under allOf", 1, size => new JsonObject { ["type"] = "string", ["allOf"] = List(size, i => new JsonObject { ["pattern"] = $"^.*a.{{{i}}}b.*$" }) });
    yield return ("patterns under oneOf", 2, size => new JsonObject { ["oneOf"] = List(size, i => new JsonObject { ["type"] = "string", ["pattern"] = $"^.*a.{{{i}}}b.*$" }) });
    yield return ("patternProperties", 2, size => new JsonObject { ["type"] = "object", ["patternProperties"] = Object(size, i => $"^a{i}.*$", _ => new JsonObject { ["type"] = "string", ["pattern"] = "^.*a.{9}$" }) });
    yield return ("patterns under $defs", 2, size => new JsonObject
    {
        ["type"] = "object", ["$defs"] = Object(size, i => $"d{i}", i => new JsonObject { ["type"] = "string", ["pattern"] = $"^.*a.{{{i}}}b.*$" }), ["properties"] = Object(size, i => $"p{i}", i => new JsonObject { ["$ref"] = $"#/$defs/d{i}" }),
    });
    yield return ("$ref that doubles", 3, size => new JsonObject
    {
        ["$ref"] = "#/$defs/d0",
        ["$defs"] = Object(size + 1, i => $"d{i}", i => i == size ? new JsonObject { ["type"] = "null" } : new JsonObject { ["type"] = "array", ["prefixItems"] = List(2, _ => new JsonObject { ["$ref"] = $"#/$defs/d{i + 1}" }), ["minItems"] = 2, ["maxItems"] = 2 }),
    });
    yield return ("minLength", 10_000, size => new JsonObject { ["type"] = "string", ["minLength"] = size });
    yield return ("maxLength", 10_000, size => new JsonObject { ["type"] = "string", ["maxLength"] = size });
    yield return ("minItems", 100, size => new JsonObject { ["type"] = "array", ["items"] = new JsonObject { ["type"] = "integer" }, ["minItems"] = size });
    yield return ("maxItems in maxItems", 10, size => new JsonObject { ["type"] = "array", ["maxItems"] = size, ["items"] = new JsonObject { ["type"] = "array", ["maxItems"] = size, ["items"] = new JsonObject { ["type"] = "integer" } } });
    yield return ("maximum: digits", 10, size => new JsonObject { ["type"] = "integer", ["minimum"] = 1, ["maximum"] = JsonNode.Parse("9" + new string('8', Math.Min(size, 300))) });
    yield return ("multipleOf", 100, size => new JsonObject { ["type"] = "integer", ["multipleOf"] = size });
    yield return ("levels", 3, size =>
    {
        JsonObject inner = new() { ["type"] = "integer" };
        for (int i = 0; i < size && i < 500; i++)
            inner = new JsonObject { ["type"] = "array", ["items"] = inner };
        return inner;
    });
    yield return ("required", 30, size => new JsonObject { ["type"] = "object", ["required"] = List(size, i => $"p{i}") });
    yield return ("anyOf", 20, size => new JsonObject { ["anyOf"] = List(size, i => ObjectOf(1 + (i % 5))) });
}

async Task<int> SearchAsync(TimeSpan time, int seed)
{
    Stopwatch watch = Stopwatch.StartNew();
    SortedDictionary<string, int> tried = [];
    Cost worst = new(0, 0, 0, 0), largest = worst;
    int count = 0;
    for (; watch.Elapsed < time; count++)
    {
        Random random = new(unchecked((seed * 1_000_003) + count));
        string path = new[] { "/v1/chat/completions", "/v1/chat/completions", "/v1/chat/completions", "/v1/completions", "/tokenize", "/apply-template", "/detokenize" }[random.Next(7)];
        string body = RandomBody(random, path);
        TimeSpan? hangUp = random.Next(10) == 0 ? TimeSpan.FromMilliseconds(random.Next(1, 300)) : null;
        Cost cost = await SendAsync(path, body, hangUp);
        string what = $"{path} {(cost.Status == 0 ? "hung up" : cost.Status)}";
        tried[what] = tried.GetValueOrDefault(what) + 1;
        worst = cost.Seconds > worst.Seconds ? cost : worst;
        largest = cost.TotalMegabytes > largest.TotalMegabytes ? cost : largest;
        bool bad = server.HasExited || cost.Status == 500 || cost.Seconds > MaxSeconds || cost.TotalMegabytes > MaxMegabytes;
        if (bad || count % 1000 == 999)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{watch.Elapsed.TotalMinutes:0.0} min, {count + 1} requests, at most {worst.Seconds:0.00} s and {largest.TotalMegabytes:0} MB: {string.Join(", ", tried.Select(entry => $"{entry.Key}: {entry.Value}"))}"));
        if (bad)
        {
            string file = Path.Combine(Path.GetTempPath(), $"onnxvlm-costs-{seed}-{count}.json");
            File.WriteAllText(file, body);
            Console.WriteLine($"FAILED: seed {seed}, request {count}, {path}: {(server.HasExited ? $"the service ended with {server.ExitCode}" : cost)}: {file}");
            return 1;
        }
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} requests in {watch.Elapsed.TotalMinutes:0} minutes with seed {seed}: no crash, at most {worst.Seconds:0.00} s of processor time and {largest.TotalMegabytes:0} MB: {string.Join(", ", tried.Select(entry => $"{entry.Key}: {entry.Value}"))}"));
    return 0;
}

string RandomBody(Random random, string path)
{
    JsonObject body = path is "/v1/completions" or "/detokenize" || (path == "/tokenize" && random.Next(2) == 0) ? JsonNode.Parse(Completion(_ => { }, path == "/v1/completions"))!.AsObject() : JsonNode.Parse(Conversation(path, _ => { }))!.AsObject();
    if (path == "/detokenize")
        body["tokens"] = List(random.Next(2000), _ => random.Next(-3, 1540));
    if (body["messages"] is JsonArray)
        body["messages"] = RandomMessages(random);
    else if (path != "/detokenize")
        body["prompt"] = RandomText(random, 4000);
    if (path.StartsWith("/v1/", StringComparison.Ordinal))
    {
        body["max_tokens"] = random.Next(1, 64);
        body["temperature"] = random.Next(3) * 0.75;
        body["stream"] = random.Next(2) == 0;
        switch (random.Next(10))
        {
            case < 4 when path != "/v1/completions": body["response_format"] = Schema(RandomSchema(random, 0)); break;
            case 4: body["guided_regex"] = RandomPattern(random, 0); break;
            case 5: body["guided_grammar"] = RandomGrammar(random); break;
            case 6: body["guided_json"] = RandomSchema(random, 0); break;
            case 7 when path != "/v1/completions":
                body["tools"] = List(random.Next(1, 6), i => Tool(random.Next(8) == 0 ? RandomText(random, 70) : $"f{i}", RandomSchema(random, 0), RandomText(random, 40)));
                body["tool_choice"] = random.Next(2) == 0 ? "required" : "auto";
                break;
        }

        if (random.Next(6) == 0)
            body["stop"] = List(random.Next(6), _ => RandomText(random, 30));
        if (random.Next(6) == 0)
            body["logit_bias"] = Object(random.Next(400), _ => $"{random.Next(-5, 1600)}", _ => random.Next(-120, 120));
        if (random.Next(6) == 0)
            body[random.Next(2) == 0 ? "n" : "top_k"] = random.Next(-1, 20);
    }

    string text = body.ToJsonString();
    // What is no JSON, or no Unicode.
    return random.Next(12) switch
    {
        0 => text[..random.Next(text.Length)],
        1 => text.Insert(random.Next(text.Length), ((char)random.Next(0x20, 0x7F)).ToString()),
        2 => text.Replace("\"x", "\"\\ud83d", StringComparison.Ordinal),
        3 => text.Replace(random.Next(10).ToString(CultureInfo.InvariantCulture), random.Next(2) == 0 ? "1e999" : "99999999999999999999", StringComparison.Ordinal),
        _ => text,
    };
}

JsonArray RandomMessages(Random random) => List(random.Next(6), i =>
{
    JsonObject message = Message(new[] { "user", "user", "assistant", "system", "tool", "x" }[random.Next(6)], RandomText(random, 2000));
    if (random.Next(5) == 0)
        message["content"] = new JsonArray(Image(Png(random.Next(1, 400), random.Next(1, 400))), new JsonObject { ["type"] = "text", ["text"] = RandomText(random, 50) });
    if (random.Next(8) == 0)
        message["tool_calls"] = new JsonArray(new JsonObject { ["id"] = "a", ["type"] = "function", ["function"] = new JsonObject { ["name"] = "f0", ["arguments"] = RandomText(random, 90) } });
    return message;
});

JsonObject RandomSchema(Random random, int depth)
{
    JsonObject schema = [];
    for (int i = random.Next(1, 4); i > 0; i--)
    {
        JsonObject Inner() => depth < 5 ? RandomSchema(random, depth + 1) : new JsonObject { ["type"] = "integer" };
        switch (random.Next(22))
        {
            case 0 or 1: schema["type"] = new[] { "string", "object", "array", "integer", "number", "boolean", "null" }[random.Next(7)]; break;
            case 2: schema["pattern"] = RandomPattern(random, 0); break;
            case 3: schema["enum"] = List(random.Next(1, 300), _ => RandomText(random, 20)); break;
            case 4: schema["const"] = RandomText(random, 300); break;
            case 5 or 6: schema["properties"] = Object(random.Next(12), j => random.Next(3) == 0 ? RandomText(random, 9) : $"p{j}", _ => Inner()); break;
            case 7: schema["required"] = List(random.Next(6), j => $"p{j}"); break;
            case 8 or 9: schema["items"] = Inner(); break;
            case 10: schema[new[] { "anyOf", "oneOf", "allOf" }[random.Next(3)]] = List(random.Next(1, 12), _ => Inner()); break;
            case 11: schema["$ref"] = new[] { "#", "#/$defs/a", "#/$defs/b", "#/properties/p0" }[random.Next(4)]; break;
            case 12: schema["$defs"] = new JsonObject { ["a"] = Inner(), ["b"] = Inner() }; break;
            case 13: schema["patternProperties"] = Object(random.Next(1, 8), _ => RandomPattern(random, 0), _ => Inner()); break;
            case 14: schema[new[] { "minLength", "maxLength", "minItems", "maxItems" }[random.Next(4)]] = (int)Math.Pow(10, random.NextDouble() * 7); break;
            case 15: schema[new[] { "minimum", "maximum", "exclusiveMinimum", "multipleOf" }[random.Next(4)]] = Math.Round(Math.Pow(10, (random.NextDouble() * 24) - 6), random.Next(4)); break;
            case 16: schema["format"] = new[] { "date", "date-time", "uuid", "email", "ipv6", "uri", "duration", "x" }[random.Next(8)]; break;
            case 17: schema["prefixItems"] = List(random.Next(1, 9), _ => Inner()); break;
            case 18: schema["additionalProperties"] = random.Next(2) == 0 ? random.Next(2) == 0 : Inner(); break;
            case 19: schema[new[] { "not", "if", "contains", "propertyNames", "dependentSchemas", "unevaluatedItems" }[random.Next(6)]] = Inner(); break;
            default: schema["type"] = new[] { "object", "array", "string" }[random.Next(3)]; break;
        }
    }

    return schema;
}

string RandomPattern(Random random, int depth)
{
    StringBuilder pattern = new();
    for (int i = random.Next(1, 6); i > 0; i--)
    {
        pattern.Append(random.Next(14) switch
        {
            0 => ".*", 1 => "[a-z0-9_]", 2 => "\\d", 3 => "\\p{L}", 4 => "[^\\x00-\\u{FFFF}]", 5 => "👍", 6 => "(?=a)", 7 => "\\b", 8 => "^", 9 => "$",
            < 12 when depth < 4 => $"({RandomPattern(random, depth + 1)}|{RandomPattern(random, depth + 1)})",
            _ => ((char)random.Next(0x21, 0x7F)).ToString(),
        });
        if (random.Next(3) == 0)
            pattern.Append(new[] { "*", "+", "?", $"{{{(int)Math.Pow(10, random.NextDouble() * 5)}}}", $"{{0,{random.Next(200)}}}", "{2,}", "*?" }[random.Next(7)]);
    }

    return pattern.ToString();
}

string RandomGrammar(Random random)
{
    int rules = random.Next(1, 30);
    StringBuilder grammar = new("start: r0\n");
    for (int i = 0; i < rules; i++)
        grammar.Append(CultureInfo.InvariantCulture, $"r{i}: {string.Join(" | ", Enumerable.Range(0, random.Next(1, 4)).Select(_ => string.Join(' ', Enumerable.Range(0, random.Next(1, 5)).Select(_ => random.Next(5) switch { 0 => $"/{RandomPattern(random, 2)}/", 1 => $"r{random.Next(rules + 1)}", 2 => $"(r{random.Next(rules)} \"x\")~1..{random.Next(1, 2000)}", 3 => $"r{random.Next(rules)}*", _ => $"\"{(char)random.Next('a', 'z')}\"" }))))}\n");
    return grammar.ToString();
}

string RandomText(Random random, int most)
{
    string[] pieces = ["x", " ", "word ", "<|im_end|>", "<|image|>", "\n", "👍🏽", "日本", "é", "\u0000", "\uFFFF", "{\"a\":", "\\", "\"", "e\u0301", "a", "aaaaaaaa", "\t"];
    StringBuilder text = new();
    for (int length = random.Next(most); text.Length < length;)
        text.Append(pieces[random.Next(pieces.Length)]);
    return text.ToString();
}

string Conversation(string path, Action<JsonObject> change)
{
    JsonObject body = Chat(change);
    if (path != "/v1/chat/completions")
        body.Remove("max_tokens");
    return body.ToJsonString();
}

static string Other(string path, Action<JsonObject> change)
{
    JsonObject body = new() { ["model"] = "nano" };
    if (path.StartsWith("/api/", StringComparison.Ordinal))
    {
        body["stream"] = false;
        body["options"] = new JsonObject { ["num_predict"] = 4 };
    }

    if (path == "/api/generate")
        body["prompt"] = "x";
    else if (path.StartsWith("/v1/responses", StringComparison.Ordinal))
        body["input"] = "x";
    else
        body["messages"] = new JsonArray(Message("user", "x"));
    if (path == "/v1/responses")
        body["max_output_tokens"] = 16;
    if (path == "/v1/messages")
        body["max_tokens"] = 4;
    change(body);
    return body.ToJsonString();
}

static JsonObject Chat(Action<JsonObject> change)
{
    JsonObject body = new() { ["model"] = "nano", ["max_tokens"] = 8, ["messages"] = new JsonArray(Message("user", "x")) };
    change(body);
    return body;
}

static string Completion(Action<JsonObject> change, bool limit = true)
{
    JsonObject body = new() { ["model"] = "nano" };
    if (limit)
        body["max_tokens"] = 2;
    change(body);
    return body.ToJsonString();
}

static JsonObject Message(string role, string content) => new() { ["role"] = role, ["content"] = content };

static void SetContent(JsonObject body, JsonNode content) => body["messages"]![0]!["content"] = content;

static JsonObject Calling(int size) => new()
{
    ["role"] = "assistant", ["tool_calls"] = new JsonArray(new JsonObject { ["id"] = "a", ["type"] = "function", ["function"] = new JsonObject { ["name"] = "f", ["arguments"] = new JsonObject { ["a"] = new string('a', size) }.ToJsonString() } }),
};

static JsonObject Tool(string name, JsonObject parameters, string description = "d") => new() { ["type"] = "function", ["function"] = new JsonObject { ["name"] = name, ["description"] = description, ["parameters"] = parameters } };

static JsonObject Schema(JsonObject schema) => new() { ["type"] = "json_schema", ["json_schema"] = new JsonObject { ["name"] = "s", ["schema"] = schema } };

static JsonObject ObjectOf(int properties) => new() { ["type"] = "object", ["properties"] = Object(properties, i => $"p{i}", _ => new JsonObject { ["type"] = "integer" }) };

static JsonObject Image(byte[] bytes) => new() { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = "data:image/png;base64," + Convert.ToBase64String(bytes) } };

static JsonArray List(int count, Func<int, JsonNode> item) => [.. Enumerable.Range(0, count).Select(item)];

static JsonObject Object(int count, Func<int, string> key, Func<int, JsonNode> value)
{
    JsonObject result = [];
    for (int i = 0; i < count; i++)
        result[key(i)] = value(i);
    return result;
}

static string Repeat(string text, int count) => new StringBuilder().Insert(0, text, count).ToString();

// One colour, one bit a pixel.
static byte[] Png(int width, int height)
{
    using MemoryStream file = new();
    file.Write([0x89, .. "PNG\r\n\u001a\n"u8]);
    Chunk("IHDR", [.. BigEndian(width), .. BigEndian(height), 1, 0, 0, 0, 0]);
    using MemoryStream packed = new();
    using (System.IO.Compression.ZLibStream zlib = new(packed, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
    {
        byte[] row = new byte[1 + ((width + 7) / 8)];
        for (int y = 0; y < height; y++)
            zlib.Write(row);
    }

    Chunk("IDAT", packed.ToArray());
    Chunk("IEND", []);
    return file.ToArray();

    void Chunk(string type, byte[] data)
    {
        byte[] body = [.. Encoding.ASCII.GetBytes(type), .. data];
        file.Write(BigEndian(data.Length));
        file.Write(body);
        uint crc = 0xFFFFFFFF;
        foreach (byte value in body)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc >> 1) ^ (0xEDB88320 & (0 - (crc & 1)));
        }

        file.Write(BigEndian((int)~crc));
    }

    static byte[] BigEndian(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
}

// Sends a request and waits until the service is at rest again.
async Task<Cost> SendAsync(string path, string body, TimeSpan? hangUp = null)
{
    if (server.HasExited)
        return new Cost(0, 0, 0, 0);
    byte[] bytes = Encoding.UTF8.GetBytes(body);
    double before = Memory("VmRSS");
    File.WriteAllText($"/proc/{server.Id}/clear_refs", "5");
    TimeSpan start = Time();
    int status = 0;
    using (CancellationTokenSource end = new())
    {
        if (hangUp is TimeSpan after)
            end.CancelAfter(after);
        try
        {
            using HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new ByteArrayContent(bytes) };
            request.Content.Headers.ContentType = new("application/json");
            using HttpResponseMessage response = await http.SendAsync(request, end.Token);
            status = (int)response.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            // The service hung up, which it may, or this side did.
        }
    }

    // What goes on after a client has hung up is its request's, too.
    for (TimeSpan last = TimeSpan.Zero; !server.HasExited && hangUp is not null && Time() - last > TimeSpan.FromMilliseconds(15);)
    {
        last = Time();
        await Task.Delay(100);
    }

    return server.HasExited ? new Cost(0, 0, 0, 0) : new Cost(bytes.Length, (Time() - start).TotalSeconds, Math.Max(0, Memory("VmHWM") - before), status) { TotalMegabytes = Memory("VmHWM") };
}

TimeSpan Time()
{
    server.Refresh();
    return server.TotalProcessorTime;
}

double Memory(string line) => double.Parse(Regex.Match(File.ReadAllText($"/proc/{server.Id}/status"), line + @":\s+(\d+)").Groups[1].ValueSpan, CultureInfo.InvariantCulture) / 1000;

(Process, Uri) StartServer()
{
    string program = Argument("--cli", Path.Combine(root, "src", "OnnxVlm.Cli", "bin", "Release", "net10.0", "OnnxVlm.Cli.dll"));
    if (!File.Exists(program))
        throw new InvalidOperationException("build src/OnnxVlm.Cli first: dotnet build src/OnnxVlm.Cli -c Release");
    ProcessStartInfo start = new("dotnet", [program, "serve", "--model", $"nano={model}", "--urls", $"http://127.0.0.1:{Argument("--port", "0")}"]) { RedirectStandardError = true };
    start.Environment["Logging__LogLevel__Default"] = "Error";
    start.Environment["MALLOC_ARENA_MAX"] = "2";
    start.Environment["OnnxVlmServer__Models__0__CacheBytes"] = "67108864";
    Process process = Process.Start(start)!;
    while (process.StandardError.ReadLine() is { } line)
    {
        if (Regex.Match(line, @"Listening on (http://\S+)") is { Success: true } listening)
        {
            _ = process.StandardError.BaseStream.CopyToAsync(Console.OpenStandardError());
            return (process, new Uri(listening.Groups[1].Value));
        }

        Console.Error.WriteLine(line);
    }

    throw new InvalidOperationException("the service did not start");
}

string Argument(string name, string fallback)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : fallback;
}

static string ThisFile([CallerFilePath] string path = "") => path;

internal sealed record Cost(int Bytes, double Seconds, double Megabytes, int Status)
{
    public double TotalMegabytes { get; init; }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seconds:0.00} s, {Megabytes:0} MB, {(Status == 0 ? "hung up" : Status)}");
}
