using System.Globalization;
using System.Text;
using Microsoft.Extensions.AI;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.Cli.Commands;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;

namespace OnnxVlm.Cli.Chat;

/// <summary>The chat itself: reads lines, runs commands, streams answers. Every error is reported in one line, and the conversation continues.</summary>
/// <param name="console">The console.</param>
/// <param name="images">Checks images when they are attached.</param>
/// <param name="answer">Generates the answer of a conversation.</param>
/// <param name="options">The options of the generation.</param>
/// <param name="model">Name of the model.</param>
internal sealed class ChatSession(
    IChatConsole console,
    ImagePreprocessor images,
    Func<IReadOnlyList<ChatMessage>, CancellationToken, IAsyncEnumerable<GenerationUpdate>> answer,
    GenerationOptions options,
    string model)
{
    private readonly HashSet<string> _saved = [];

    public ChatHistory History { get; } = new();

    /// <summary>The number of lines that failed.</summary>
    public int Errors { get; private set; }

    /// <summary>Runs until the user quits or the input ends.</summary>
    /// <param name="cancellationToken">Ends the chat at the next token or line.</param>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (console.ReadLine() is { } line)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ChatInput input = ChatInput.Parse(line);
            if (input is ChatInput.Quit)
                return;
            try
            {
                if (input is ChatInput.Message message)
                    await AnswerAsync(message.Text, cancellationToken).ConfigureAwait(false);
                else
                    CarryOut(input);
            }
            catch (Exception e) when (e is VlmException or ArgumentException or IOException or UnauthorizedAccessException
                or OnnxRuntimeGenAIException or OnnxRuntimeException)
            {
                Report(e.Message);
            }
        }
    }

    /// <summary>Attaches an image to the next message.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidImageException">The file is not an image that the model can read.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public void Attach(string path)
    {
        string fullPath = Path.GetFullPath(path);
        if (!File.Exists(fullPath))
            throw new FileNotFoundException($"{path}: there is no such file; check the path.");
        byte[] bytes = InputFile.ReadBytes(fullPath, "image", new ImageLimits().MaxBytes);
        RgbImage image = Describe(path, () => images.Decode(bytes));
        int patches = Describe(path, () => images.Process(image)).Count;
        // The kind of image is recognized by its first bytes, not by the file's name.
        History.Waiting.Add(new Attachment(fullPath, new DataContent(bytes, "image/*")));
        console.ShowPicture(image);
        console.WriteNote($"{Path.GetFileName(fullPath)}: {image.WidthPx}×{image.HeightPx} pixels, {patches} patches, goes with the next message");
    }

    private void CarryOut(ChatInput input)
    {
        switch (input)
        {
            case ChatInput.Image image:
                foreach (string path in image.Paths)
                    Attach(path);
                break;
            case ChatInput.System system:
                History.System = system.Text;
                console.WriteNote(system.Text is null ? "no system message" : "system message set");
                break;
            case ChatInput.Reset:
                History.Reset();
                console.WriteNote(History.System is null ? "new conversation" : "new conversation with the same system message");
                break;
            case ChatInput.Save save:
                Save(save.Path);
                break;
            case ChatInput.Help:
                foreach (string line in Help)
                    console.WriteNote(line);
                break;
            case ChatInput.Wrong wrong:
                Report(wrong.Reason);
                break;
        }
    }

    private static readonly string[] Help =
    [
        "/image FILE    attach an image to the next message; several are allowed",
        "/system TEXT   set the system message; without a text, remove it",
        "/reset         start over; the system message stays",
        "/save FILE     save the conversation as FILE.md or FILE.json",
        "/quit          leave (also Ctrl-D)",
        "Ctrl-C stops an answer. Alt-Enter starts a new line. //text sends a message that starts with a slash.",
    ];

    private async Task AnswerAsync(string text, CancellationToken cancellationToken)
    {
        using CancellationTokenSource stopped = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        StringBuilder said = new();
        GenerationUpdate? last = null;
        AnswerEnd end = AnswerEnd.Failed;
        try
        {
            using IDisposable registration = console.OnStop(() => _ = stopped.CancelAsync());
            await foreach (GenerationUpdate update in answer(History.With(text), stopped.Token).ConfigureAwait(false))
            {
                said.Append(update.Text);
                console.WriteAnswer(update.Text);
                last = update;
            }
            end = last?.FinishReason == FinishReason.Length ? AnswerEnd.Cut : AnswerEnd.Complete;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            end = AnswerEnd.Stopped;
        }
        finally
        {
            Keep(text, said.ToString(), end);
        }
        if (last?.Statistics is { } statistics)
        {
            console.WriteNote(Summary(statistics));
            foreach (string note in RunCommand.Notes(statistics))
                console.WriteNote(note);
        }
        if (last?.Statistics is { } counts && end == AnswerEnd.Cut)
        {
            console.WriteNote(counts.GeneratedTokens >= options.MaxNewTokens
                ? $"The answer was cut after {counts.GeneratedTokens} tokens; --max-tokens allows more."
                : $"The answer was cut because the context is full with {counts.PromptTokens + counts.GeneratedTokens} tokens; /reset starts over.");
        }
    }

    // An answer without any text leaves no trace; one that has begun is kept as far as it got.
    private void Keep(string text, string said, AnswerEnd end)
    {
        if (said.Length > 0)
            console.EndAnswer();
        bool isKept = said.Length > 0 || end is AnswerEnd.Complete or AnswerEnd.Cut;
        if (isKept)
            History.Turns.Add(new ChatTurn(text, [.. History.Waiting], said, end));
        string detached = History.Waiting.Count == 0 || isKept ? "" : $", and its images ({History.Waiting.Count}) are detached";
        History.Waiting.Clear();
        if (end == AnswerEnd.Stopped)
        {
            console.WriteNote(isKept
                ? "stopped; the text so far stays in the conversation"
                : $"stopped before the answer began; the message is not part of the conversation{detached}");
        }
        else if (!isKept)
            console.WriteNote($"The message is not part of the conversation{detached}.");
    }

    private void Save(string path)
    {
        string fullPath = Path.GetFullPath(path);
        if (History.Turns.Count == 0)
            throw new ArgumentException("There is nothing to save yet.");
        string content = Transcript.Create(History, model, fullPath);
        if (File.Exists(fullPath) && !_saved.Contains(fullPath))
            throw new IOException($"{path} exists already; choose another name.");
        File.WriteAllText(fullPath, content);
        _saved.Add(fullPath);
        console.WriteNote($"saved: {fullPath}");
    }

    private static T Describe<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidImageException e)
        {
            throw new InvalidImageException($"{path}: {e.Message}", e);
        }
    }

    private void Report(string message)
    {
        Errors++;
        console.WriteError(message.ReplaceLineEndings(" ").Trim());
    }

    internal static string Summary(GenerationStatistics s)
    {
        string cached = s.CachedTokens > 0 ? $", {s.CachedTokens} cached" : "", again = s.RereadTokens > 0 ? $", {s.RereadTokens} read again" : "";
        string images = s.ImageTokens > 0 ? $", {s.ImageTokens} image" : "";
        string speed = string.Create(
            CultureInfo.InvariantCulture, $"{s.DecodeTokensPerSecond:F0} tokens/s · first after {s.TimeToFirstToken.TotalMilliseconds:F0} ms");
        return $"{s.GeneratedTokens} tokens at {speed} · prompt {s.PromptTokens} tokens{images}{cached}{again}";
    }
}
