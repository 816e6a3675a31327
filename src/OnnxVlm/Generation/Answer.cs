using System.Diagnostics;
using System.Text;
using OnnxVlm.Prompting;

namespace OnnxVlm.Generation;

/// <summary>One running answer: its sequence, its sampler, its text and its clock. Used by one thread at a time, but for <see cref="Interrupt"/>.</summary>
internal sealed class Answer : IDisposable
{
    // No token: the callback had content read in place of an end token.
    private const int Nothing = -1;

    private readonly TokenGenerator _generator;
    private readonly Prompt _prompt;
    private readonly GenerationOptions _options;
    private readonly LiveSequence _sequence;
    private readonly Sampler _sampler;
    private readonly TextAssembler _text;
    private readonly ReasoningText _reasoning;
    private readonly StringBuilder _said = new();
    private readonly HashSet<int> _stopTokens;
    private float[]? _logits;
    private readonly int _maxNewTokens;
    private readonly long _started = Stopwatch.GetTimestamp();
    private TimeSpan _prefill;
    private TimeSpan _firstToken;
    private int _generated;

    public Answer(TokenGenerator generator, Prompt prompt, GenerationOptions options)
    {
        _generator = generator;
        _prompt = prompt;
        _options = options;
        _maxNewTokens = Math.Min(options.MaxNewTokens, generator.Decoder.ContextLength - prompt.TokenCount);
        _stopTokens = [.. generator.EndTokenIds, .. options.StopTokenIds];
        int[] promptTokens = [.. prompt.Segments.SelectMany(segment => segment.TokenIds.ToArray())];
        _sampler = new Sampler(options, [.. _stopTokens], promptTokens, options.Guidance is { IsJson: true } ? generator.Vocabulary.DigitTokens : null, generator.SuppressedTokenIds);
        _text = new TextAssembler(options.StopTexts);
        _reasoning = new ReasoningText(generator.Reasoning);
        _reasoning.Begin(promptTokens);
        _sequence = new LiveSequence(generator.Decoder, generator.Cache, prompt, _maxNewTokens, options.Guidance);
    }

    /// <summary>Why the answer ended; null while it goes on.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Makes the running call fail soon.</summary>
    public void Interrupt() => _sequence.Interrupt();

    /// <summary>Reads the prompt.</summary>
    /// <param name="cancellationToken">Checked between pieces.</param>
    public void Prefill(CancellationToken cancellationToken)
    {
        _sequence.Read(cancellationToken);
        _prefill = Stopwatch.GetElapsedTime(_started);
    }

    /// <summary>Takes the next token.</summary>
    /// <param name="cancellationToken">Checked while inserted content is read.</param>
    /// <returns>The update, or null where the token ended the answer instead of adding to it.</returns>
    public GenerationUpdate? NextToken(CancellationToken cancellationToken)
    {
        (int token, RawLogits? raw) = TakeToken();
        if (_firstToken == default)
            _firstToken = Stopwatch.GetElapsedTime(_started);
        token = Decide(token, cancellationToken);
        if (FinishReason is null && _stopTokens.Contains(token))
            FinishReason = Generation.FinishReason.Stop;
        if (FinishReason is not null || token == Nothing)
            return null;

        _generated++;
        _sampler.Taken(token);
        ReadOnlySpan<byte> bytes = _generator.Vocabulary.BytesOf(token).Span;
        string? reasoning = _reasoning.Add(token, bytes);
        string text = reasoning ?? _text.Add(bytes);
        if (reasoning is null)
            _said.Append(text);
        if (_text.IsStopped)
            FinishReason = Generation.FinishReason.Stop;
        else if (_generated == _maxNewTokens)
            FinishReason = Generation.FinishReason.Length;
        return new GenerationUpdate { Text = text, IsReasoning = reasoning is not null, TokenId = token, Logprob = raw?.LogprobOf(token), TopLogprobs = raw?.Top(_options.TopLogprobs!.Value) ?? [] };
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
            Statistics = new GenerationStatistics
            {
                PromptTokens = _prompt.TokenCount,
                ImageTokens = _prompt.ImageTokenCount,
                TransparentImages = _prompt.TransparentImageCount,
                CachedTokens = _sequence.CachedTokens,
                GeneratedTokens = _generated,
                Preprocessing = _prompt.PreprocessingTime,
                Prefill = _prefill,
                TimeToFirstToken = _firstToken,
                Decode = total - _firstToken,
            },
        };
    }

    public void Dispose() => _sequence.Dispose();

    private (int Token, RawLogits? Raw) TakeToken()
    {
        if (!_sampler.IsActive && _options.TopLogprobs is null)
            return (_sequence.Advance([]), null);

        // Megabytes for a large vocabulary, which a greedy answer without log probabilities never needs.
        _logits ??= new float[_generator.Decoder.VocabularySize];
        _sequence.CopyLogits(_logits);
        RawLogits? raw = _options.TopLogprobs is null ? null : new RawLogits([.. _logits], _generator.Vocabulary);
        if (!_sampler.IsActive)
            return (_sequence.Advance([]), raw);
        _sampler.Score(_logits);
        return (_sequence.Advance(_logits), raw);
    }

    private int Decide(int token, CancellationToken cancellationToken)
    {
        if (_options.OnToken is null)
            return token;
        bool isEnd = _stopTokens.Contains(token);
        TokenDecision decision = _options.OnToken(new TokenStep { Index = _generated, TokenId = token, Bytes = _generator.Vocabulary.BytesOf(token), IsEnd = isEnd, Text = _said.ToString() });
        switch (decision)
        {
            case TokenDecision.StopDecision:
                FinishReason = Generation.FinishReason.Stop;
                return token;
            case TokenDecision.ReplaceDecision replace when (uint)replace.TokenId >= (uint)_generator.Decoder.VocabularySize:
                throw new InvalidOperationException($"The callback chose the token {replace.TokenId}, which is outside the vocabulary of {_generator.Decoder.VocabularySize} tokens.");
            case TokenDecision.ReplaceDecision replace:
                _sequence.Insert([new PromptSegment(new[] { replace.TokenId })], replacesLast: true, cancellationToken);
                return replace.TokenId;
            case TokenDecision.AppendDecision append:
                IReadOnlyList<PromptSegment> segments = _generator.Encode(append.Contents);
                if (segments.Count > 0)
                    _sequence.Insert(segments, replacesLast: isEnd, cancellationToken);
                return isEnd && segments.Count > 0 ? Nothing : token;
            default:
                return token;
        }
    }
}
