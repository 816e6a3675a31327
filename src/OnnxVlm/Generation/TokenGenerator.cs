using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>The loop: a prompt goes in, one token after the other comes out. Thread-safe; each answer has a sequence of its own.</summary>
internal sealed class TokenGenerator : IDisposable
{
    private readonly Func<IReadOnlyList<AIContent>, IReadOnlyList<PromptSegment>> _encode;
    private readonly SamplingDefaults? _sampling;

    /// <summary>Creates the loop for one model.</summary>
    /// <param name="decoder">The model.</param>
    /// <param name="vocabulary">Bytes of the tokens.</param>
    /// <param name="endTokenIds">Tokens that end an answer.</param>
    /// <param name="encode">Converts content that a callback appends to tokens and images.</param>
    /// <param name="createGrammar">Compiles a grammar for an answer of at most this many tokens.</param>
    /// <param name="cacheBytes">Memory for the rows of all answers; 0 for the default, without rows of past answers.</param>
    /// <param name="suppressedTokenIds">Tokens that are never generated; null for none.</param>
    /// <param name="reasoning">The tokens around reasoning; null for none.</param>
    /// <param name="sampling">Values for options that are not set; null for none.</param>
    public TokenGenerator(
        IDecoder decoder, Vocabulary vocabulary, IReadOnlyList<int> endTokenIds, Func<IReadOnlyList<AIContent>, IReadOnlyList<PromptSegment>> encode,
        Func<Guidance, int, IGrammar> createGrammar, long cacheBytes, IReadOnlyList<int>? suppressedTokenIds = null, ReasoningTokens? reasoning = null,
        SamplingDefaults? sampling = null)
    {
        SuppressedTokenIds = suppressedTokenIds ?? [];
        Reasoning = reasoning;
        _sampling = sampling;
        Decoder = decoder;
        Vocabulary = vocabulary;
        EndTokenIds = endTokenIds;
        _encode = encode;
        CreateGrammar = createGrammar;
        Cache = new RowCache(decoder, cacheBytes == 0 ? VlmOptions.DefaultCacheBytes : cacheBytes, keepsIdle: cacheBytes > 0);
    }

    public IDecoder Decoder { get; }

    public Vocabulary Vocabulary { get; }

    public IReadOnlyList<int> EndTokenIds { get; }

    public IReadOnlyList<int> SuppressedTokenIds { get; }

    public ReasoningTokens? Reasoning { get; }

    public Func<Guidance, int, IGrammar> CreateGrammar { get; }

    public RowCache Cache { get; }

    public IReadOnlyList<PromptSegment> Encode(IReadOnlyList<AIContent> contents) => _encode(contents);

    /// <summary>Generates an answer. The model reads a token while the previous one is on its way to the caller; it waits for a slower caller.</summary>
    /// <param name="prompt">What the model reads.</param>
    /// <param name="options">How the answer is generated.</param>
    /// <param name="cancellationToken">Checked before the prompt is read, while it is read, and at each token.</param>
    /// <returns>An update for each token, then one with the finish reason.</returns>
    /// <exception cref="PromptTooLongException">The prompt leaves no room for an answer.</exception>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(Prompt prompt, GenerationOptions options, CancellationToken cancellationToken)
    {
        PromptSize.CheckTokens(prompt.TokenCount, prompt.ImageTokenCount, Decoder.ContextLength);
        foreach (int id in options.LogitBias.Keys.Concat(options.StopTokenIds))
        {
            if ((uint)id >= (uint)Decoder.VocabularySize)
                throw new ArgumentException($"The token id {id} is outside the vocabulary of {Decoder.VocabularySize} tokens.", nameof(options));
        }
        return StreamAsync(prompt, options.Over(_sampling), cancellationToken);
    }

    public void Dispose() => Cache.Dispose();

    private async IAsyncEnumerable<GenerationUpdate> StreamAsync(
        Prompt prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await using GenerationRun run = new(this, prompt, options, cancellationToken);
        await run.PrefillAsync().ConfigureAwait(false);
        while (run.FinishReason is null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (await run.NextTokenAsync().ConfigureAwait(false) is { } update)
                yield return update;
        }
        yield return run.Finish();
    }
}
