using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using OnnxVlm.Cli;
using OnnxVlm.Cli.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>The chat with redirected input, against scripted answers and against the shipped model.</summary>
internal sealed class ChatTests
{
    private StringWriter _output = new(), _error = new();
    private string _folder = "";

    [SetUp]
    public void CreateFolder()
    {
        _folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;
        (_output, _error) = (new StringWriter(), new StringWriter());
    }

    [TearDown]
    public void DeleteFolder()
    {
        Directory.Delete(_folder, recursive: true);
        _output.Dispose();
        _error.Dispose();
    }

    [Test]
    public async Task Run_TwoMessages_SecondSeesTheFirst()
    {
        List<string[]> seen = [];
        ChatSession session = Session("Hello\n\n  /system Be brief.  \nAgain", (messages, stop) =>
        {
            seen.Add([.. messages.Select(message => $"{message.Role}: {message.Text}")]);
            return Say($"answer {seen.Count}", stop);
        });

        await session.RunAsync(CancellationToken.None);

        Assert.That(seen[0], Is.EqualTo(new[] { "user: Hello" }));
        Assert.That(seen[1], Is.EqualTo(new[] { "system: Be brief.", "user: Hello", "assistant: answer 1", "user: Again" }));
        Assert.That(_output.ToString().ReplaceLineEndings("\n"), Is.EqualTo("answer 1\nanswer 2\n"), "answers only, no prompts");
        Assert.That(_error.ToString(), Does.Contain("tokens/s").And.Not.Contain("error"));
    }

    [Test]
    public async Task Run_Images_GoWithTheNextMessageOnly()
    {
        List<int[]> images = [];
        ChatSession session = Session($"/image {Nano.SampleImage}\n/image '{Nano.SampleImage}'\nWhat?\nAnd now?", (messages, stop) =>
        {
            images.Add([.. messages.Select(message => message.Contents.OfType<DataContent>().Count())]);
            return Say("x", stop);
        });

        await session.RunAsync(CancellationToken.None);

        Assert.That(images, Is.EqualTo(new[] { new[] { 2 }, [2, 0, 0] }));
        Assert.That(session.Errors, Is.Zero, _error.ToString());
    }

    [Test]
    public async Task Run_BadImage_SaysSoAndGoesOn()
    {
        string path = Path.Combine(_folder, "a.png");
        File.WriteAllText(path, "this is not an image");
        ChatSession session = Session($"/image {path}\n/image {path}.missing\nHello", (_, stop) => Say("fine", stop));

        await session.RunAsync(CancellationToken.None);

        Assert.That(_error.ToString().Split('\n').Count(line => line.StartsWith("error: ", StringComparison.Ordinal)), Is.EqualTo(2));
        Assert.That(_error.ToString(), Does.Contain("a.png: not an image").And.Contain("no such file"));
        Assert.That(_output.ToString().Trim(), Is.EqualTo("fine"));
        Assert.That(session.History.Turns.Single().Images, Is.Empty);
    }

    [Test]
    public async Task Run_StoppedAnswer_StaysAsFarAsItCame()
    {
        StoppingConsole console = new("Tell me\nGo on", stopAfter: "one ");
        List<int> lengths = [];
        ChatSession session = Session(console, (messages, stop) =>
        {
            lengths.Add(messages.Count);
            return Say("one two three", stop);
        });

        await session.RunAsync(CancellationToken.None);

        ChatTurn turn = session.History.Turns[0];
        Assert.That((turn.Answer, turn.End), Is.EqualTo(("one ", AnswerEnd.Stopped)));
        Assert.That(lengths, Is.EqualTo(new[] { 1, 3 }));
        Assert.That(console.Notes, Has.Some.Contains("stopped"));
        Assert.That(session.Errors, Is.Zero);
    }

    [Test]
    public async Task Run_StoppedBeforeTheAnswer_LeavesNoTurn()
    {
        StoppingConsole console = new($"/image {Nano.SampleImage}\nTell me", stopAfter: null);
        ChatSession session = Session(console, (_, stop) => Say("one two", stop));

        await session.RunAsync(CancellationToken.None);

        Assert.That(session.History.Turns, Is.Empty);
        Assert.That(session.History.Waiting, Is.Empty);
        Assert.That(console.Notes, Has.Some.Contains("images (1) are detached"));
    }

    [Test]
    public async Task Run_FailureInTheMiddle_KeepsWhatCame()
    {
        ChatSession session = Session("a\nb", (_, stop) => Say("one two", stop, failAfter: 1));

        await session.RunAsync(CancellationToken.None);

        Assert.That(session.History.Turns.Select(turn => (turn.Answer, turn.End)), Is.EqualTo(Enumerable.Repeat(("one ", AnswerEnd.Failed), 2)));
        Assert.That(session.Errors, Is.EqualTo(2));
        Assert.That(_output.ToString().ReplaceLineEndings("\n"), Is.EqualTo("one \none \n"));
    }

    [Test]
    public async Task Run_PromptLongerThanTheContext_SaysSoAndGoesOn()
    {
        ChatSession session = Session(new string('1', 3000) + "\nHello", Answer);

        await session.RunAsync(CancellationToken.None);

        Assert.That(_error.ToString(), Does.Contain("error: The prompt has").And.Contain("not part of the conversation"));
        Assert.That(session.History.Turns.Select(turn => turn.Text), Is.EqualTo(new[] { "Hello" }));
        Assert.That(session.Errors, Is.EqualTo(1));
    }

    [Test]
    public async Task Run_ShippedModel_SecondTurnReusesTheFirst()
    {
        ChatSession session = Session($"/image {Nano.SampleImage}\nWhat does the text say?\nThank you.", Answer);

        await session.RunAsync(CancellationToken.None);

        Assert.That(session.Errors, Is.Zero, _error.ToString());
        Assert.That(session.History.Turns, Has.Count.EqualTo(2));
        Assert.That(_error.ToString(), Does.Match(@"prompt \d+ tokens, \d+ image, \d+ cached"));
    }

    [Test]
    public async Task Run_AnswerAtTheLimit_SaysThatItWasCut()
    {
        ChatSession session = Session("Hello", (_, stop) => Say("one two", stop, finish: FinishReason.Length));

        await session.RunAsync(CancellationToken.None);

        Assert.That(session.History.Turns.Single().End, Is.EqualTo(AnswerEnd.Cut));
        Assert.That(_error.ToString(), Does.Contain("cut"));
    }

    [Test]
    public async Task Save_BothFormats_HoldTheConversation()
    {
        string image = Path.Combine(_folder, "a [1].png");
        File.Copy(Nano.SampleImage, image);
        (string markdown, string json) = (Path.Combine(_folder, "c.md"), Path.Combine(_folder, "c.json"));
        ChatSession session = Session($"/system S\n/image {image}\nQ\n/save {markdown}\n/save {json}\n/save {json}", (_, stop) => Say("A", stop));

        await session.RunAsync(CancellationToken.None);

        Assert.That(session.Errors, Is.Zero, _error.ToString());
        Assert.That(File.ReadAllText(markdown), Is.EqualTo("# Conversation with test\n\n## System\n\nS\n\n## User\n\n![a [1\\].png](<a [1].png>)\n\nQ\n\n## Assistant\n\nA\n"));
        Assert.That(File.ReadAllText(json).ReplaceLineEndings("\n"), Is.EqualTo("""
            {
              "model": "test",
              "messages": [
                {
                  "role": "system",
                  "content": "S"
                },
                {
                  "role": "user",
                  "content": "Q",
                  "images": [
                    "a [1].png"
                  ]
                },
                {
                  "role": "assistant",
                  "content": "A"
                }
              ]
            }

            """.ReplaceLineEndings("\n")));
    }

    [Test]
    public async Task Save_ExistingFileOrUnknownFormat_IsRefused()
    {
        string path = Path.Combine(_folder, "c.md");
        File.WriteAllText(path, "mine");
        ChatSession session = Session($"/save {path}\nQ\n/save {path}\n/save {path}.docx", (_, stop) => Say("A", stop));

        await session.RunAsync(CancellationToken.None);

        Assert.That(File.ReadAllText(path), Is.EqualTo("mine"));
        Assert.That(_error.ToString(), Does.Contain("nothing to save").And.Contain("exists already").And.Contain(".md or .json"));
        Assert.That(session.Errors, Is.EqualTo(3));
    }

    [Test]
    public async Task Run_ResetAndQuit_DoWhatTheySay()
    {
        int calls = 0;
        ChatSession session = Session("a\n/reset\n/help\n/unknown\n/quit\nb", (_, stop) =>
        {
            calls++;
            return Say("x", stop);
        });

        await session.RunAsync(CancellationToken.None);

        Assert.That(calls, Is.EqualTo(1));
        Assert.That(session.History.Turns, Is.Empty);
        Assert.That(_error.ToString(), Does.Contain("/save FILE").And.Contain("error: There is no command /unknown"));
    }

    [TestCase("chat")]
    [TestCase("chat", "--model", "m", "--temperature", "3")]
    [TestCase("chat", "--model", "m", "--logprobs", "1")]
    [NonParallelizable]
    public async Task Command_WrongArguments_ExitsWith2(params string[] args)
    {
        TextWriter error = Console.Error;
        Console.SetError(_error);
        try
        {
            Assert.That(await Program.RunAsync(args), Is.EqualTo(2));
        }
        finally
        {
            Console.SetError(error);
        }
        Assert.That(_error.ToString(), Is.Not.Empty);
    }

    private static readonly GenerationOptions Options = new() { MaxNewTokens = 8 };

    private ChatSession Session(string input, Func<IReadOnlyList<ChatMessage>, CancellationToken, IAsyncEnumerable<GenerationUpdate>> answer) =>
        Session(new PlainChatConsole(new StringReader(input), _output, _error), answer);

    private static ChatSession Session(IChatConsole console, Func<IReadOnlyList<ChatMessage>, CancellationToken, IAsyncEnumerable<GenerationUpdate>> answer) =>
        new(console, Nano.Model.ImagePreprocessor, answer, Options, "test");

    private static IAsyncEnumerable<GenerationUpdate> Answer(IReadOnlyList<ChatMessage> messages, CancellationToken stop) =>
        Nano.Model.GenerateAsync(Nano.Model.CreatePrompt(messages), Options, stop);

    // One update for each word, as a model gives one for each token.
    private static async IAsyncEnumerable<GenerationUpdate> Say(
        string text, [EnumeratorCancellation] CancellationToken stop, int failAfter = int.MaxValue, FinishReason finish = FinishReason.Stop)
    {
        string[] words = text.Split(' ');
        for (int i = 0; i < words.Length; i++)
        {
            stop.ThrowIfCancellationRequested();
            if (i == failAfter)
                throw new VlmException("The runtime failed.");
            yield return new GenerationUpdate { Text = i + 1 < words.Length ? words[i] + " " : words[i], TokenId = i };
            await Task.Yield();
        }
        yield return new GenerationUpdate
        {
            Text = "",
            FinishReason = finish,
            Statistics = new GenerationStatistics
            {
                PromptTokens = 1, ImageTokens = 0, GeneratedTokens = words.Length, Preprocessing = default, Prefill = default, TimeToFirstToken = default, Decode = TimeSpan.FromSeconds(1),
            },
        };
    }

    /// <summary>Plays a user who presses Ctrl-C when a piece of the answer appears (null: as soon as the answer is asked for).</summary>
    private sealed class StoppingConsole(string input, string? stopAfter) : IChatConsole
    {
        private readonly Queue<string> _lines = new(input.Split('\n'));
        private Action? _stop;

        public List<string> Notes { get; } = [];

        public string? ReadLine() => _lines.TryDequeue(out string? line) ? line : null;

        public void WriteAnswer(string text)
        {
            if (text == stopAfter)
                PressControlC();
        }

        public void EndAnswer()
        {
        }

        public void WriteNote(string line) => Notes.Add(line);

        public void WriteError(string line) => Notes.Add($"error: {line}");

        public void ShowPicture(RgbImage image)
        {
        }

        public IDisposable OnStop(Action stop)
        {
            _stop = stop;
            if (stopAfter is null)
                PressControlC();
            return new StringWriter();
        }

        // The chat cancels on another thread; give it the time.
        private void PressControlC()
        {
            _stop!();
            Thread.Sleep(200);
        }
    }
}
