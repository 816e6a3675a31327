using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Fakes;

/// <summary>A model that says what it is told to, one answer after the other, and notes what it was asked.</summary>
/// <param name="answers">Each answer as its pieces, one for each token.</param>
internal sealed class ScriptedChatModel(params string[][] answers) : IChatModel
{
    private int _next;

    public string Id => "scripted";

    public bool CanReason { get; init; }

    /// <summary>How many pieces at the beginning of each answer are reasoning.</summary>
    public int ReasoningPieces { get; init; }

    public bool UsesTools { get; init; }

    /// <summary>For each prompt, how it was to be built.</summary>
    public List<PromptOptions> Prompting { get; } = [];

    public FinishReason FinishReason { get; init; } = FinishReason.Stop;

    public TimeSpan Delay { get; init; }

    /// <summary>What each answer waits for before it begins.</summary>
    public Task Before { get; init; } = Task.CompletedTask;

    public List<ChatMessage[]> Conversations { get; } = [];

    public List<GenerationOptions> Options { get; } = [];

    public int LiveAnswers { get; private set; }

    /// <summary>The last conversation, one line a message: role, then contents.</summary>
    public string[] Seen => [.. Conversations[^1].Select(message => $"{message.Role}: {string.Concat(message.Contents.Select(Show))}")];

    public Prompt CreatePrompt(IEnumerable<ChatMessage> messages)
    {
        lock (Conversations)
            Conversations.Add([.. messages]);
        return new Prompt([new PromptSegment(new int[] { 1, 2, 3, 4, 5 })]);
    }

    public Prompt CreatePlainPrompt(IReadOnlyList<AIContent> contents, CancellationToken cancellationToken) => CreatePrompt([new ChatMessage(new ChatRole("plain"), [.. contents])]);

    public Prompt CreatePrompt(IEnumerable<ChatMessage> messages, PromptOptions options, CancellationToken cancellationToken)
    {
        Prompting.Add(options);
        return CreatePrompt(messages);
    }

    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(Prompt prompt, GenerationOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        lock (Conversations)
            Options.Add(options!);
        string[] pieces = answers[Math.Min(Interlocked.Increment(ref _next), answers.Length) - 1];
        LiveAnswers++;
        try
        {
            await Before.WaitAsync(cancellationToken);
            for (int i = 0; i < pieces.Length; i++)
            {
                await Task.Delay(Delay, cancellationToken);
                cancellationToken.ThrowIfCancellationRequested();
                TokenLogprob? logprob = options!.TopLogprobs is null ? null : Logprob(i, pieces[i]);
                yield return new GenerationUpdate { Text = pieces[i], IsReasoning = i < ReasoningPieces, TokenId = i, Logprob = logprob, TopLogprobs = options.TopLogprobs > 0 ? [logprob!] : [] };
            }
            yield return new GenerationUpdate
            {
                Text = "",
                FinishReason = FinishReason,
                Statistics = new GenerationStatistics
                {
                    PromptTokens = 5,
                    ImageTokens = 2,
                    CachedTokens = 3,
                    GeneratedTokens = pieces.Length,
                    Preprocessing = default,
                    Prefill = default,
                    TimeToFirstToken = default,
                    Decode = default,
                },
            };
        }
        finally
        {
            LiveAnswers--;
        }
    }

    private static TokenLogprob Logprob(int id, string text) => new(id, System.Text.Encoding.UTF8.GetBytes(text), -id);

    private static string Show(AIContent content) => content is DataContent image ? $"<{image.MediaType} {image.Data.Length}>" : content.ToString()!;
}
