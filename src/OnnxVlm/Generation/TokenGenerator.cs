using System.Diagnostics;
using System.Runtime.CompilerServices;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>The loop: prompt in, one token after the other out. Safe to use from several threads at once; each answer has a sequence of its own.</summary>
/// <param name="decoder">The model.</param>
/// <param name="vocabulary">Bytes of the tokens.</param>
/// <param name="endTokenIds">Tokens that end an answer.</param>
internal sealed class TokenGenerator(IDecoder decoder, Vocabulary vocabulary, IReadOnlyList<int> endTokenIds)
{
    /// <summary>Generates an answer. Native work runs on the thread pool, one token at a time.</summary>
    /// <param name="prompt">What the model reads.</param>
    /// <param name="options">How the answer is generated.</param>
    /// <param name="cancellationToken">Checked before the prompt is read, while it is read, and at each token.</param>
    /// <returns>An update for each token, then one with the finish reason.</returns>
    public async IAsyncEnumerable<GenerationUpdate> GenerateAsync(Prompt prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using Answer answer = new(this, prompt, options);
        await RunAsync(answer.Prefill, answer, cancellationToken).ConfigureAwait(false);
        while (answer.FinishReason is null)
        {
            GenerationUpdate? update = null;
            await RunAsync(_ => update = answer.NextToken(), answer, cancellationToken).ConfigureAwait(false);
            if (update is not null)
                yield return update;
        }
        yield return answer.Finish();
    }

    // A native call knows nothing of the token: it is interrupted from outside, and its failure is then the cancellation.
    private static async Task RunAsync(Action<CancellationToken> work, Answer answer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using CancellationTokenRegistration registration = cancellationToken.Register(answer.Interrupt);
        try
        {
            await Task.Run(() => work(cancellationToken), CancellationToken.None).ConfigureAwait(false);
        }
        catch (VlmException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    /// <summary>State of one answer.</summary>
    private sealed class Answer : IDisposable
    {
        private readonly TokenGenerator _owner;
        private readonly Prompt _prompt;
        private readonly GenerationOptions _options;
        private readonly IReadOnlyList<PrefillChunk> _chunks;
        private readonly IDecoderSequence _sequence;
        private readonly Sampler _sampler;
        private readonly TextAssembler _text;
        private readonly HashSet<int> _stopTokens;
        private readonly float[] _logits;
        private readonly int _maxNewTokens;
        private readonly long _started = Stopwatch.GetTimestamp();
        private TimeSpan _prefill;
        private TimeSpan _firstToken;
        private int _generated;

        public Answer(TokenGenerator owner, Prompt prompt, GenerationOptions options)
        {
            _owner = owner;
            _prompt = prompt;
            _options = options;
            int context = owner.Decoder.ContextLength;
            if (prompt.TokenCount >= context)
            {
                throw new PromptTooLongException($"The prompt has {prompt.TokenCount} tokens ({prompt.ImageTokenCount} of them for images), and the model's context has room for {context} with the answer. "
                    + "Shorten the text, or use fewer or smaller images.");
            }
            _maxNewTokens = Math.Min(options.MaxNewTokens, context - prompt.TokenCount);
            _chunks = PrefillPlan.Create(prompt.Segments, owner.Decoder.CanAppend ? PrefillPlan.ChunkTokens : int.MaxValue);
            _sampler = new Sampler(options, [.. owner.EndTokenIds, .. options.StopTokenIds], prompt.Segments.SelectMany(segment => segment.TokenIds.ToArray()));
            _text = new TextAssembler(options.StopTexts);
            _stopTokens = [.. owner.EndTokenIds, .. options.StopTokenIds];
            _logits = new float[owner.Decoder.VocabularySize];
            _sequence = owner.Decoder.CreateSequence(new SequenceOptions(prompt.TokenCount + _maxNewTokens, _chunks.Max(chunk => chunk.PatchCount), options.Guidance));
        }

        public FinishReason? FinishReason { get; private set; }

        public void Interrupt() => _sequence.Interrupt();

        public void Prefill(CancellationToken cancellationToken)
        {
            foreach (PrefillChunk chunk in _chunks)
            {
                cancellationToken.ThrowIfCancellationRequested();
                _sequence.Append(chunk.TokenIds.Span, chunk.Images);
            }
            _prefill = Stopwatch.GetElapsedTime(_started);
        }

        // Null where the token ended the answer instead of adding to it.
        public GenerationUpdate? NextToken()
        {
            (int token, TokenLogprob? logprob, IReadOnlyList<TokenLogprob> top) = TakeToken();
            if (_firstToken == default)
                _firstToken = Stopwatch.GetElapsedTime(_started);
            if (_stopTokens.Contains(token))
            {
                FinishReason = Generation.FinishReason.Stop;
                return null;
            }
            _generated++;
            _sampler.Taken(token);
            string text = _text.Add(_owner.Vocabulary.BytesOf(token).Span);
            if (_text.IsStopped)
                FinishReason = Generation.FinishReason.Stop;
            else if (_generated == _maxNewTokens)
                FinishReason = Generation.FinishReason.Length;
            return new GenerationUpdate { Text = text, TokenId = token, Logprob = logprob, TopLogprobs = top };
        }

        public GenerationUpdate Finish()
        {
            TimeSpan total = Stopwatch.GetElapsedTime(_started);
            return new GenerationUpdate
            {
                Text = _text.Finish(),
                FinishReason = FinishReason,
                Statistics = new GenerationStatistics
                {
                    PromptTokens = _prompt.TokenCount,
                    ImageTokens = _prompt.ImageTokenCount,
                    GeneratedTokens = _generated,
                    Preprocessing = _prompt.PreprocessingTime,
                    Prefill = _prefill,
                    TimeToFirstToken = _firstToken,
                    Decode = total - _firstToken,
                },
            };
        }

        public void Dispose() => _sequence.Dispose();

        private (int Token, TokenLogprob? Logprob, IReadOnlyList<TokenLogprob> Top) TakeToken()
        {
            bool scores = _sampler.IsActive;
            if (!scores && _options.TopLogprobs is null)
                return (_sequence.Advance(), null, []);

            _sequence.CopyLogits(_logits);
            IReadOnlyList<TokenLogprob> top = [];
            float[]? raw = null;
            double logSumExp = 0;
            if (_options.TopLogprobs is { } count)
            {
                logSumExp = Logprobs.LogSumExp(_logits);
                top = Logprobs.Top(_logits, count, logSumExp, _owner.Vocabulary);
                raw = [.. _logits];
            }
            if (scores)
                _sampler.Score(_logits);
            int token = scores ? _sequence.Advance(_logits) : _sequence.Advance();
            TokenLogprob? logprob = raw is null ? null : new TokenLogprob(token, _owner.Vocabulary.BytesOf(token), raw[token] - logSumExp);
            return (token, logprob, top);
        }
    }

    private IDecoder Decoder => decoder;

    private Vocabulary Vocabulary => vocabulary;

    private IReadOnlyList<int> EndTokenIds => endTokenIds;
}
