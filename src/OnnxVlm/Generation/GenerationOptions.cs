using System.Globalization;
using System.Runtime.CompilerServices;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Generation;

/// <summary>
/// How an answer is generated. Immutable; each value is checked when it is set. A value that is null is the one of the model's authors,
/// <see cref="ModelManifest.Sampling"/>.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens of the answer. Default 512; at least 1. The answer is shorter where the context ends earlier.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int MaxNewTokens { get; init => field = AtLeast(value, 1); } = 512;

    /// <summary>The answer does not end by itself before this many tokens. Default 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public int MinNewTokens { get; init => field = AtLeast(value, 0); }

    /// <summary>
    /// 0 always takes the most probable token; 1 samples from the model's own distribution; at most 2. Default null: the model's own, otherwise 0.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not between 0 and 2.</exception>
    public double? Temperature { get; init => field = value is { } given ? Within(given, 0, 2) : null; }

    /// <summary>Samples from this many most probable tokens; 0 for all. Default null: the model's own, otherwise 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public int? TopK { get; init => field = value is { } given ? AtLeast(given, 0) : null; }

    /// <summary>
    /// Samples from the smallest set of tokens whose probabilities sum to this; 1 for all; above 0. Default null: the model's own, otherwise 1.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in (0, 1].</exception>
    public double? TopP { get; init => field = value is { } given ? Within(given, double.Epsilon, 1) : null; }

    /// <summary>
    /// Samples from tokens whose probability is at least this share of the most probable one's; 0 for all. Default null: the model's own, otherwise 0.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not between 0 and 1.</exception>
    public double? MinP { get; init => field = value is { } given ? Within(given, 0, 1) : null; }

    /// <summary>Same seed, same options, same prompt and same device: same answer. Default null: a different answer each time.</summary>
    public long? Seed { get; init; }

    /// <summary>
    /// Divides the logits of tokens that are already in the prompt or the answer (multiplies negative ones), as in the CTRL paper (arXiv:1909.05858);
    /// 1 is off; above 0, at most 10. Default null: the model's own, otherwise 1.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not in (0, 10].</exception>
    public double? RepetitionPenalty { get; init => field = value is { } given ? Within(given, double.Epsilon, 10) : null; }

    /// <summary>Subtracted once from the logit of a token that the answer already contains, as OpenAI defines it. Default 0; −2 to 2.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not between −2 and 2.</exception>
    public double PresencePenalty { get; init => field = Within(value, -2, 2); }

    /// <summary>Subtracted from a token's logit for each occurrence in the answer, as OpenAI defines it. Default 0; −2 to 2.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not between −2 and 2.</exception>
    public double FrequencyPenalty { get; init => field = Within(value, -2, 2); }

    /// <summary>Added to the logits of single tokens; −100 practically excludes a token. Default empty; values −100 to 100.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is not between −100 and 100.</exception>
    public IReadOnlyDictionary<int, double> LogitBias
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            foreach (double bias in value.Values)
                Within(bias, -100, 100);
            field = value;
        }
    } = new Dictionary<int, double>();

    /// <summary>Texts that end the answer and are not part of it. Default none.</summary>
    /// <exception cref="ArgumentException">A text is empty.</exception>
    public IReadOnlyList<string> StopSequences
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            foreach (string text in value)
                ArgumentException.ThrowIfNullOrEmpty(text, nameof(value));
            field = value;
        }
    } = [];

    /// <summary>Tokens that end the answer, in addition to the model's own end tokens, and are not part of it. Default none.</summary>
    public IReadOnlyList<int> StopTokenIds
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            field = value;
        }
    } = [];

    /// <summary>Reports each token's log probability, and those of this many most probable tokens. Default null, which is off; 0 to 20.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not between 0 and 20.</exception>
    public int? TopLogprobs { get; init => field = value is { } count ? (int)Within(count, 0, 20) : null; }

    /// <summary>A grammar that the answer follows. Default null.</summary>
    public Guidance? Guidance { get; init; }

    /// <summary>Whether the model is asked to reason first, so that a grammar applies only after the reasoning.</summary>
    internal bool Reasons { get; init; }

    /// <summary>
    /// Called for each token before it is emitted, on a thread of the thread pool. It can end the answer, emit another token, or let the model read text and
    /// images in between. Default null. An exception that it throws ends the answer. With <see cref="Guidance"/> it can only continue and stop.
    /// </summary>
    public Func<TokenStep, TokenDecision>? OnToken { get; init; }

    /// <summary>
    /// Called with the progress while the prompt is read, after each piece, on a thread of the thread pool. Progress during a call is combined.
    /// Default null. An exception that it throws ends the answer.
    /// </summary>
    public Action<PrefillProgress>? OnPrefill { get; init; }

    /// <summary>
    /// Only answers of the same scope share what the model has read. A service gives each customer a scope, so that nobody can find out what others
    /// have asked by measuring the time to the first token. Default null, which is also a scope.
    /// </summary>
    public string? CacheScope { get; init; }

    /// <summary>The same options with every open value filled in.</summary>
    /// <param name="defaults">The values of the model's authors; null for none.</param>
    internal GenerationOptions Over(SamplingDefaults? defaults) => this with
    {
        Temperature = Temperature ?? defaults?.Temperature ?? 0,
        TopK = TopK ?? defaults?.TopK ?? 0,
        TopP = TopP ?? defaults?.TopP ?? 1,
        MinP = MinP ?? defaults?.MinP ?? 0,
        RepetitionPenalty = RepetitionPenalty ?? defaults?.RepetitionPenalty ?? 1,
    };

    private static int AtLeast(int value, int minimum, [CallerMemberName] string name = "") =>
        value >= minimum ? value : throw new ArgumentOutOfRangeException(name, $"{name}: expected {minimum} or more, found {value}.");

    // Written so that NaN is also refused.
    private static double Within(double value, double minimum, double maximum, [CallerMemberName] string name = "")
    {
        if (value >= minimum && value <= maximum)
            return value;
        string range = minimum == double.Epsilon ? $"a number above 0 and at most {maximum}" : $"a number from {minimum} to {maximum}";
        throw new ArgumentOutOfRangeException(name, string.Create(CultureInfo.InvariantCulture, $"{name}: expected {range}, found {value}."));
    }
}
