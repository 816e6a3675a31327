using System.Diagnostics;
using System.Numerics.Tensors;
using System.Text;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>One running answer: its sequence, its sampler, its grammar, its text and its clock. Used by one thread at a time.</summary>
internal sealed class GenerationRun : IAsyncDisposable
{
    private readonly TokenGenerator _generator;
    private readonly Prompt _prompt;
    private readonly GenerationOptions _options;
    private readonly CancellationTokenSource _ending;
    private readonly ActiveSequence _sequence;
    private readonly IGrammar? _grammar;
    private readonly Sampler _sampler;
    private readonly TextAssembler _text;
    private readonly ReasoningText _reasoning;
    private readonly StringBuilder _emitted = new();
    private readonly HashSet<int> _stopTokens;
    private readonly int _maxNewTokens;
    private readonly long _started = Stopwatch.GetTimestamp();
    private Task _reading = Task.CompletedTask;
    private TimeSpan _prefill;
    private TimeSpan _firstToken;
    private int _generated;

    /// <summary>Prepares an answer; nothing is read yet.</summary>
    /// <param name="generator">The loop that it belongs to.</param>
    /// <param name="prompt">What the model reads.</param>
    /// <param name="options">How the answer is generated.</param>
    /// <param name="cancellationToken">Ends the answer.</param>
    /// <exception cref="ArgumentException">The grammar cannot be used.</exception>
    public GenerationRun(TokenGenerator generator, Prompt prompt, GenerationOptions options, CancellationToken cancellationToken)
    {
        _generator = generator;
        _prompt = prompt;
        _options = options;
        _maxNewTokens = Math.Min(options.MaxNewTokens, generator.Decoder.ContextLength - prompt.TokenCount);
        _stopTokens = [.. generator.EndTokenIds, .. options.StopTokenIds];
        int[] promptTokens = prompt.ToTokenIds();
        _sampler = new Sampler(
            options,
            [.. _stopTokens],
            promptTokens,
            options.Guidance is { IsJson: true } ? generator.Vocabulary.DigitTokens : null,
            generator.SuppressedTokenIds);
        _text = new TextAssembler(options.StopSequences);
        _reasoning = new ReasoningText(generator.Reasoning);
        _reasoning.Begin(promptTokens);
        _sequence = new ActiveSequence(generator.Decoder, generator.Cache, prompt, _maxNewTokens, options.CacheScope);
        _grammar = GuidanceOf(options) is { } guidance ? generator.CreateGrammar(guidance, _maxNewTokens) : null;
        _ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    // The grammar begins after the reasoning, if the model is asked for it.
    private Guidance? GuidanceOf(GenerationOptions options) =>
        options.Guidance is { } guidance && (options.Reasons || _reasoning.IsOpen) && _generator.Reasoning is { } tokens
            ? guidance.After(tokens, _reasoning.IsOpen, _generator.Vocabulary)
            : options.Guidance;

    /// <summary>Why the answer ended; null while it continues.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Reads the prompt.</summary>
    public async Task PrefillAsync()
    {
        await _sequence.OpenAsync(_ending.Token).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        _reading = _sequence.ReadPromptAsync(_ending.Token);
        while (_options.OnPrefill is { } report)
        {
            Task progress = _sequence.Progress;
            report(new PrefillProgress(
                Math.Min(_sequence.Length, _prompt.TokenCount), _prompt.TokenCount, _sequence.CachedTokens, Stopwatch.GetElapsedTime(_started)));
            if (_reading.IsCompleted)
                break;
            await Task.WhenAny(_reading, progress).ConfigureAwait(false);
        }
        await _reading.ConfigureAwait(false);
        _prefill = Stopwatch.GetElapsedTime(_started);
    }

    /// <summary>Chooses the next token, and lets the model begin to read it.</summary>
    /// <returns>The update, or null where the token ended the answer instead of adding to it.</returns>
    public async Task<GenerationUpdate?> NextTokenAsync()
    {
        // Always on a thread of the thread pool: answers are sampled in parallel, and callbacks may take their time.
        await _reading.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        (int chosen, RawLogits? raw) = Choose();
        if (_firstToken == default)
            _firstToken = Stopwatch.GetElapsedTime(_started);
        (int? token, IReadOnlyList<PromptSegment> inserted) = Decide(chosen);
        if (token is int id && _stopTokens.Contains(id))
            FinishReason = Generation.FinishReason.Stop;
        GenerationUpdate? update = FinishReason is null && token is int emitted ? Emit(emitted, raw) : null;
        if (FinishReason is null)
            _reading = _sequence.ReadAsync(update is null ? inserted : [new PromptSegment(new[] { token!.Value }), .. inserted], _ending.Token);
        else
            _sequence.Pause();
        return update;
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The last update: text that was held back, the finish reason and the statistics.</returns>
    public GenerationUpdate Finish()
    {
        TimeSpan total = Stopwatch.GetElapsedTime(_started);
        return new GenerationUpdate
        {
            Text = _reasoning.IsOpen ? _reasoning.Finish() : _text.Finish(),
            IsReasoning = _reasoning.IsOpen,
            FinishReason = FinishReason,
            StopSequence = _text.StopSequence,
            Statistics = new GenerationStatistics
            {
                PromptTokens = _prompt.TokenCount,
                ImageTokens = _prompt.ImageTokenCount,
                TransparentImages = _prompt.TransparentImageCount,
                ShrunkImages = _prompt.ShrunkImageCount,
                CachedTokens = _sequence.CachedTokens,
                RereadTokens = _sequence.RereadTokens,
                GeneratedTokens = _generated,
                Preprocessing = _prompt.PreprocessingTime,
                Prefill = _prefill,
                TimeToFirstToken = _firstToken,
                Decode = total - _firstToken,
            },
        };
    }

    /// <summary>Cancels what is being read, and returns the sequence.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await _reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _sequence.Dispose();
        _grammar?.Dispose();
        _ending.Dispose();
    }

    private (int Token, RawLogits? Raw) Choose()
    {
        Span<float> scores = _sequence.Logits;
        RawLogits? raw = _options.TopLogprobs is null ? null : new RawLogits(scores.ToArray(), _generator.Vocabulary);
        if (_sampler.IsActive)
            _sampler.Score(scores);
        return (_grammar is null ? TensorPrimitives.IndexOfMax<float>(scores) : _grammar.Choose(scores), raw);
    }

    /// <summary>Asks the callback what to do with a token.</summary>
    /// <returns>The token of the answer, null for none, and what the model reads after it.</returns>
    private (int? Token, IReadOnlyList<PromptSegment> Inserted) Decide(int token)
    {
        if (_options.OnToken is null)
            return (token, []);
        bool isEnd = _stopTokens.Contains(token);
        TokenDecision decision = _options.OnToken(
            new TokenStep { Index = _generated, TokenId = token, Bytes = _generator.Vocabulary.BytesOf(token), IsEnd = isEnd, Text = _emitted.ToString() });
        switch (decision)
        {
            case TokenDecision.StopDecision:
                FinishReason = Generation.FinishReason.Stop;
                return (token, []);
            case TokenDecision.ReplaceDecision replace when (uint)replace.TokenId >= (uint)_generator.Decoder.VocabularySize:
                throw new InvalidOperationException(
                    $"The callback chose the token {replace.TokenId}, which is outside the vocabulary of {_generator.Decoder.VocabularySize} tokens.");
            case TokenDecision.ReplaceDecision replace:
                RefuseGrammar();
                return (replace.TokenId, []);
            case TokenDecision.AppendDecision append:
                IReadOnlyList<PromptSegment> segments = _generator.Encode(append.Contents);
                if (segments.Count > 0)
                    RefuseGrammar();
                return (isEnd && segments.Count > 0 ? null : token, segments);
            default:
                return (token, []);
        }
    }

    private void RefuseGrammar()
    {
        if (_grammar is not null)
            throw new InvalidOperationException("A callback cannot change an answer that follows a grammar; leave one of the two out.");
    }

    private GenerationUpdate Emit(int token, RawLogits? raw)
    {
        _generated++;
        _sampler.Taken(token);
        ReadOnlySpan<byte> bytes = _generator.Vocabulary.BytesOf(token).Span;
        string? reasoning = _reasoning.Add(token, bytes);
        // No stop sequence spans a special token, so text that may have begun one is certain before it.
        string text = reasoning ?? (bytes.IsEmpty ? _text.Finish() : _text.Add(bytes));
        if (reasoning is null)
            _emitted.Append(text);
        if (_text.IsStopped)
            FinishReason = Generation.FinishReason.Stop;
        else if (_generated == _maxNewTokens)
            FinishReason = Generation.FinishReason.Length;
        return new GenerationUpdate
        {
            Text = text,
            IsReasoning = reasoning is not null,
            TokenId = token,
            Logprob = raw?.LogprobOf(token),
            TopLogprobs = raw?.Top(_options.TopLogprobs!.Value) ?? [],
        };
    }
}
