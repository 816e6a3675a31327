using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using OnnxVlm.Cli;
using SkiaSharp;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>The command line in process: exit codes, one line for each error, nothing left behind.</summary>
[NonParallelizable]
internal sealed class CommandLineTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Run_ImageAndPrompt_PrintsAnswerAndStatistics()
    {
        (int exitCode, string output, string error) = await RunAsync("run", "--model", Nano.Folder, "--image", Nano.SampleImage, "--prompt", "What does the text say?");

        Assert.That(exitCode, Is.Zero, error);
        Assert.That(output.Trim(), Is.Not.Empty);
        Assert.That(error, Does.Contain("tokens/s"));
    }

    [Test]
    public async Task Run_Json_PrintsOneObject()
    {
        (int exitCode, string output, string error) = await RunAsync("run", "--model", Nano.Folder, "--image", Nano.SampleImage, "--prompt", "What does the text say?", "--json", "--logprobs", "2", "--max-tokens", "3");

        Assert.That(exitCode, Is.Zero, error);
        using JsonDocument document = JsonDocument.Parse(output);
        JsonElement root = document.RootElement;
        Assert.That(root.GetProperty("usage").GetProperty("image_tokens").GetInt32(), Is.GreaterThan(0));
        Assert.That(root.GetProperty("finish_reason").GetString(), Is.EqualTo("stop").Or.EqualTo("length"));
        Assert.That(root.GetProperty("logprobs").GetArrayLength(), Is.EqualTo(root.GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
        Assert.That(root.GetProperty("timings").GetProperty("prefill_ms").GetDouble(), Is.GreaterThan(0));
    }

    [Test]
    public async Task Run_PromptAndSystemFromFiles_AnswersAsFromTheCommandLine()
    {
        string prompt = Path.Combine(_folder, "prompt.txt"), system = Path.Combine(_folder, "system.txt");
        File.WriteAllText(prompt, "@What is 2 + 3?");
        File.WriteAllText(system, "Be brief.");
        (int exitCode, string output, string error) = await RunAsync("run", "--model", Nano.Folder, "--prompt", $"@{prompt}", "--system", $"@{system}");
        (_, string expected, _) = await RunAsync("run", "--model", Nano.Folder, "--prompt", "@@What is 2 + 3?", "--system", "Be brief.");

        Assert.That(exitCode, Is.Zero, error);
        Assert.That(output, Is.EqualTo(expected));
    }

    [TestCase(600, false, 24)]
    [TestCase(600, true, 0)]
    public async Task Bench_Context_FillsReadsAndGenerates(int context, bool real, int filled)
    {
        (int exitCode, string output, string error) = await RunAsync(["bench", "--model", Nano.Folder, "--context", $"{context}", "--json", .. real ? new[] { "--real" } : []]);

        Assert.That(exitCode, Is.Zero, error);
        JsonElement root = JsonDocument.Parse(output).RootElement;
        Assert.That((root.GetProperty("context_tokens").GetInt32(), root.GetProperty("filled_tokens").GetInt32(), root.GetProperty("prompt_tokens").GetInt32()), Is.EqualTo((context, filled, context - filled - 64)));
        Assert.That(root.GetProperty("token_ms").GetProperty("values").GetArrayLength(), Is.EqualTo(64));
        Assert.That(root.GetProperty("peak_working_set_bytes").GetInt64(), Is.GreaterThan(20_000_000));
    }

    [TestCase("576", "expected 577 ")]
    [TestCase("2049", "to 2048 (the model's context), found 2049")]
    [TestCase("1000 --runner genai", "runs on the CPU with the runner ort")]
    [TestCase("1000 --parallel 2", "leave out --image and --parallel")]
    public async Task Bench_ContextThatCannotBe_Refused(string arguments, string message)
    {
        (int exitCode, _, string error) = await RunAsync(["bench", "--model", Nano.Folder, "--context", .. arguments.Split(' ')]);
        Assert.That((exitCode, error), Is.EqualTo((2, error)));
        Assert.That(error, Does.Contain(message));
    }

    [Test]
    public async Task Run_PromptTooLong_SaysSo()
    {
        (int exitCode, _, string error) = await RunAsync("run", "--model", Nano.Folder, "--prompt", string.Concat(Enumerable.Repeat("word ", 8000)));

        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.StartWith("error: The prompt has").And.Contain("tokens"));
    }

    [Test]
    public async Task Run_TransparentImage_SaysSoUnlessItIsBlended()
    {
        string image = Path.Combine(Nano.TestData, "imaging", "decode", "rgba.png");
        (_, _, string dropped) = await RunAsync("run", "--model", Nano.Folder, "--image", image, "--prompt", "What does the text say?", "--max-tokens", "4");
        (_, _, string blended) = await RunAsync("run", "--model", Nano.Folder, "--image", image, "--prompt", "What does the text say?", "--max-tokens", "4", "--blend-alpha");
        (_, string json, _) = await RunAsync("run", "--model", Nano.Folder, "--image", image, "--prompt", "What does the text say?", "--max-tokens", "4", "--json");

        using JsonDocument document = JsonDocument.Parse(json);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(dropped, Does.Contain("One image is transparent").And.Contain("--blend-alpha"));
            Assert.That(blended, Does.Not.Contain("transparent"));
            Assert.That(document.RootElement.GetProperty("usage").GetProperty("transparent_images").GetInt32(), Is.EqualTo(1));
        }
    }

    [Test]
    public async Task Run_LargeImage_SaysThatItWasShrunk()
    {
        string large = Path.Combine(_folder, "large.png");
        using (SKBitmap bitmap = new(1000, 700))
        {
            bitmap.Erase(SKColors.White);
            await File.WriteAllBytesAsync(large, bitmap.Encode(SKEncodedImageFormat.Png, 100).ToArray());
        }
        (_, _, string shrunk) = await RunAsync("run", "--model", Nano.Folder, "--image", large, "--prompt", "What does the text say?", "--max-tokens", "4");
        (_, _, string kept) = await RunAsync("run", "--model", Nano.Folder, "--image", Nano.SampleImage, "--prompt", "What does the text say?", "--max-tokens", "4");
        (_, string json, _) = await RunAsync("run", "--model", Nano.Folder, "--image", large, "--prompt", "What does the text say?", "--max-tokens", "4", "--json");

        using JsonDocument document = JsonDocument.Parse(json);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(shrunk, Does.Contain("One image was shrunk"));
            Assert.That(kept, Does.Not.Contain("shrunk"));
            Assert.That(document.RootElement.GetProperty("usage").GetProperty("shrunk_images").GetInt32(), Is.EqualTo(1));
        }
    }

    [Test]
    public async Task Run_BlackTextOnATransparentGround_IsReadWhenItIsBlended()
    {
        (_, string opaque, _) = await RunAsync("run", "--model", Nano.Folder, "--image", Path.Combine(Nano.TestData, "imaging", "opaque-text.png"), "--prompt", "What does the text say?");
        (int exitCode, string blended, string error) = await RunAsync("run", "--model", Nano.Folder, "--image", Path.Combine(Nano.TestData, "imaging", "transparent-text.png"), "--prompt", "What does the text say?", "--blend-alpha");

        Assert.That(exitCode, Is.Zero, error);
        Assert.That(blended, Is.EqualTo(opaque));
        Assert.That(opaque.Trim(), Is.EqualTo("HELLO"));
    }

    [TestCase("run", "--prompt", "x")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--temperature", "3")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--top-p", "NaN")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--max-tokens", "0")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--device", "tpu")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--regex", "a", "--json-schema", "b")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--image", "")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--json-schema", "@@missing.json")]
    [TestCase("run", "--model", "m", "--prompt", "x", "--regex", "")]
    [TestCase("upgrade", "")]
    [TestCase("pull", "")]
    [TestCase("serve", "--model", "")]
    [TestCase("export", "--checkpoint", "c", "--output", "o", "--block-size", "33")]
    [TestCase("serve")]
    [TestCase("serve", "--model", "no-such-folder")]
    [TestCase("serve", "--model", "a", "--parallel", "0")]
    [TestCase("nonsense")]
    public async Task AnyCommand_WrongArguments_ExitsWith2(params string[] args)
    {
        (int exitCode, string output, string error) = await RunAsync(args);

        Assert.That(exitCode, Is.EqualTo(2));
        Assert.That(output, Is.Empty);
        Assert.That(error, Is.Not.Empty);
    }

    [TestCase("http://0.0.0.0:0", "API key")]
    [TestCase("http://127.0.0.1:0", "two have the name")]
    [TestCase("https://127.0.0.1:0", "certificate")]
    [TestCase("http://127.0.0.1:99999", "http://127.0.0.1:99999")]
    [TestCase("nonsense", "nonsense")]
    public async Task Serve_ThatWouldBeUnsafeOrUnclear_ExitsWith2(string urls, string why)
    {
        string[] twice = why.StartsWith("two", StringComparison.Ordinal) ? ["--model", Nano.Folder] : [];

        (int exitCode, _, string error) = await RunAsync(["serve", "--model", Nano.Folder, "--urls", urls, .. twice]);

        Assert.That((exitCode, error), Is.EqualTo((2, error)));
        Assert.That(error, Does.Contain(why));
        Assert.That(error.Trim(), Does.Not.Contain('\n'));
    }

    [Test]
    public async Task Serve_PortInUse_FailsWithOneLine()
    {
        using TcpListener other = new(IPAddress.Loopback, 0);
        other.Start();

        (int exitCode, string output, string error) = await RunAsync("serve", "--model", Nano.Folder, "--urls", $"http://{other.LocalEndpoint}");

        Assert.That((exitCode, output), Is.EqualTo((1, "")));
        Assert.That(error.Trim(), Does.Contain($"{other.LocalEndpoint} is in use").And.Not.Contain('\n'));
    }

    [Test]
    public async Task Run_MissingModelFolder_FailsWithOneLine() =>
        await ExpectFailureAsync("does-not-exist", "run", "--model", Path.Combine(_folder, "does-not-exist"), "--prompt", "x");

    [Test]
    public async Task Run_ChangedFile_FailsNamingTheFile()
    {
        string model = CopyModel();
        string data = Path.Combine(model, "model.onnx.data");
        using (FileStream stream = new(data, FileMode.Open, FileAccess.ReadWrite))
        {
            stream.Position = stream.Length / 2;
            int value = stream.ReadByte();
            stream.Position--;
            stream.WriteByte((byte)~value);
        }

        await ExpectFailureAsync("model.onnx.data", "run", "--model", model, "--prompt", "x");
    }

    [Test]
    public async Task Run_TextFileAsImage_Fails() => await ExpectFailureAsync("image", "run", "--model", Nano.Folder, "--prompt", "x", "--image", Write("a.png", "this is not an image"u8));

    [Test]
    public async Task Run_TruncatedPng_Fails() =>
        await ExpectFailureAsync("PNG", "run", "--model", Nano.Folder, "--prompt", "x", "--image", Write("a.png", File.ReadAllBytes(Nano.SampleImage).AsSpan(0, 200)));

    [Test]
    public async Task Run_OnePixelImage_Fails() => await ExpectFailureAsync("small", "run", "--model", Nano.Folder, "--prompt", "x", "--image", Write("a.png", PngHeader(1, 1)));

    [Test]
    public async Task Run_HugeHeader_FailsBeforeDecoding() => await ExpectFailureAsync("60000", "run", "--model", Nano.Folder, "--prompt", "x", "--image", Write("a.png", PngHeader(60_000, 60_000)));

    [Test]
    public async Task Run_MissingImage_Fails() => await ExpectFailureAsync("nowhere.png", "run", "--model", Nano.Folder, "--prompt", "x", "--image", Path.Combine(_folder, "nowhere.png"));

    [TestCase("")]
    [TestCase("  ")]
    public async Task Run_EmptyPrompt_Fails(string prompt) => await ExpectFailureAsync("empty", "run", "--model", Nano.Folder, "--prompt", prompt);

    [Test]
    public async Task Run_PromptLongerThanTheContext_FailsWithTheCounts() =>
        await ExpectFailureAsync($"{Nano.Model.Manifest.ContextLength}", "run", "--model", Nano.Folder, "--prompt", new string('x', 3 * Nano.Model.Manifest.ContextLength));

    [TestCase("truncated")]
    [TestCase("header")]
    [TestCase("overlap")]
    public async Task Export_DamagedSafetensors_FailsAndLeavesNothing(string damage)
    {
        string checkpoint = Path.Combine(_folder, "hf");
        Directory.CreateDirectory(checkpoint);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(Nano.Folder, "hf")))
            File.Copy(file, Path.Combine(checkpoint, Path.GetFileName(file)));
        string weights = Path.Combine(checkpoint, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(weights);
        int headerLength = (int)BitConverter.ToInt64(bytes);
        File.WriteAllBytes(weights, damage switch
        {
            "truncated" => bytes[..(bytes.Length / 2)],
            "header" => [.. BitConverter.GetBytes((long)bytes.Length + 1), .. bytes.AsSpan(8)],
            _ => Overlap(bytes, headerLength),
        });

        await ExpectFailureAsync("model.safetensors", "export", "--checkpoint", checkpoint, "--output", Path.Combine(_folder, "out"));

        Assert.That(Directory.EnumerateFileSystemEntries(_folder).Select(path => Path.GetFileName(path)), Is.EqualTo(new[] { "hf" }));
    }

    [Test]
    public async Task Export_Nano_WritesTheShippedFolder()
    {
        string output = Path.Combine(_folder, "out");

        (int exitCode, _, string error) = await RunAsync("export", "--checkpoint", Path.Combine(Nano.Folder, "hf"), "--output", output);

        Assert.That(exitCode, Is.Zero, error);
        foreach (string file in Directory.EnumerateFiles(output))
            Assert.That(File.ReadAllBytes(file), Is.EqualTo(File.ReadAllBytes(Path.Combine(Nano.Folder, Path.GetFileName(file)))), Path.GetFileName(file));
    }

    [Test]
    public async Task Verify_NanoGoldens_Passes()
    {
        (int exitCode, string output, _) = await RunAsync("verify", "--model", Nano.Folder, "--goldens", Path.Combine(Nano.TestData, "nano-goldens"));

        Assert.That(exitCode, Is.Zero, output);
        Assert.That(output, Does.Contain("cases pass"));
    }

    [Test]
    public async Task Eval_FewCases_PrintsScoresByGroup()
    {
        File.WriteAllLines(Path.Combine(_folder, "cases.jsonl"),
        [
            """{"id": "1", "prompt": "Hello", "expected": "no model says this", "metric": "exact", "group": "wrong"}""",
            """{"id": "2", "prompt": "Hello", "expected": "", "metric": "contains", "group": "right"}""",
        ]);

        (int exitCode, string output, string error) = await RunAsync("eval", "--model", Nano.Folder, "--data", _folder, "--json");

        Assert.That(exitCode, Is.Zero, error);
        using JsonDocument document = JsonDocument.Parse(output);
        Assert.That(document.RootElement.GetProperty("groups").GetProperty("wrong").GetProperty("score").GetDouble(), Is.Zero);
        Assert.That(document.RootElement.GetProperty("groups").GetProperty("right").GetProperty("score").GetDouble(), Is.EqualTo(1));
        Assert.That(document.RootElement.GetProperty("score").GetDouble(), Is.EqualTo(0.5));
    }

    [Test]
    public async Task Eval_NotACase_FailsWithTheLine()
    {
        File.WriteAllText(Path.Combine(_folder, "cases.jsonl"), """{"id": "1"}""");

        await ExpectFailureAsync("line 1", "eval", "--model", Nano.Folder, "--data", _folder);
    }

    [Test]
    public async Task Doctor_Always_NamesEachDevice()
    {
        (int exitCode, string output, _) = await RunAsync("doctor");

        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain("cuda").And.Contain("directml").And.Match(@"cpu\s+yes"));
    }

    [Test]
    public async Task Inspect_Nano_ShowsArchitectureAndFiles()
    {
        (int exitCode, string output, _) = await RunAsync("inspect", Nano.Folder);

        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain("unified_decoder").And.Contain("model.onnx.data").And.Contain("\"rule\":\"fit\"").And.Contain("\"placeholder\":1534"));
    }

    [Test]
    public async Task Tokenize_Text_ListsTokens()
    {
        (int exitCode, string output, _) = await RunAsync("tokenize", Nano.Folder, "42", "--json");

        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain("\"count\":2"));
    }

    [Test]
    public async Task Tokenize_FolderWithoutWeights_ListsTokens()
    {
        foreach (string name in new[] { "onnxvlm.json", "tokenizer.json" })
            File.Copy(Path.Combine(Nano.Folder, name), Path.Combine(_folder, name));
        (int exitCode, string output, string error) = await RunAsync("tokenize", _folder, "4<|im_end|>");

        Assert.That(exitCode, Is.Zero, error);
        Assert.That(output, Does.Contain("\"4\"").And.Contain("  <|im_end|>").And.EndWith($"2 tokens{Environment.NewLine}"));
    }

    private static async Task ExpectFailureAsync(string expected, params string[] args)
    {
        (int exitCode, _, string error) = await RunAsync(args);

        Assert.That(exitCode, Is.EqualTo(1), error);
        Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1), error);
        Assert.That(error, Does.StartWith("error: ").And.Contain(expected).IgnoreCase);
    }

    private static async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] args)
    {
        (TextWriter output, TextWriter error) = (Console.Out, Console.Error);
        using StringWriter capturedOutput = new(), capturedError = new();
        Console.SetOut(capturedOutput);
        Console.SetError(capturedError);
        try
        {
            int exitCode = await Program.RunAsync(args);
            return (exitCode, capturedOutput.ToString(), capturedError.ToString());
        }
        finally
        {
            Console.SetOut(output);
            Console.SetError(error);
        }
    }

    private string CopyModel()
    {
        string copy = Path.Combine(_folder, "model");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.EnumerateFiles(Nano.Folder))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        return copy;
    }

    private string Write(string name, ReadOnlySpan<byte> bytes)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    // A PNG that ends after its header and an empty IEND: enough to be refused by its size.
    private static byte[] PngHeader(int width, int height) =>
    [
        0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10,
        0, 0, 0, 13, (byte)'I', (byte)'H', (byte)'D', (byte)'R', .. BigEndian(width), .. BigEndian(height), 8, 2, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, (byte)'I', (byte)'E', (byte)'N', (byte)'D', 0, 0, 0, 0,
    ];

    private static byte[] BigEndian(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    // Moves the second tensor's data onto the first one's.
    private static byte[] Overlap(byte[] bytes, int headerLength)
    {
        string header = System.Text.Encoding.UTF8.GetString(bytes, 8, headerLength);
        System.Text.RegularExpressions.MatchCollection offsets = System.Text.RegularExpressions.Regex.Matches(header, @"""data_offsets"":\s*\[\d+,\s*\d+\]");
        string changed = header[..offsets[1].Index] + offsets[0].Value + header[(offsets[1].Index + offsets[1].Length)..];
        byte[] padded = System.Text.Encoding.UTF8.GetBytes(changed.PadRight(headerLength));
        return [.. BitConverter.GetBytes((long)padded.Length), .. padded, .. bytes.AsSpan(8 + headerLength)];
    }
}
