using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using SkiaSharp;

namespace OnnxVlm.Tests.Runtime;

/// <summary>A random request: what the model reads, and how it answers.</summary>
/// <param name="Prompt">Texts and images.</param>
/// <param name="Seed">Chooses the rest.</param>
internal sealed record ScheduledRequest(Prompt Prompt, int Seed)
{
    // Sides that every model takes, also one that does not resize.
    private static readonly Lazy<byte[]> Picture = new(() =>
    {
        using SKBitmap bitmap = new(96, 48);
        bitmap.Erase(SKColors.Teal);
        return bitmap.Encode(SKEncodedImageFormat.Png, 100).ToArray();
    });

    /// <summary>Makes the request of a seed, always the same. Several seeds have a beginning in common.</summary>
    public static ScheduledRequest Create(VlmModel model, int seed)
    {
        Random random = new(seed);
        List<PromptSegment> segments = [];
        int family = random.Next(4);
        Random common = new(1000 + family);
        segments.Add(Text(model, common, 20 + (10 * family)));
        if (family % 2 == 1)
            segments.Add(Image(model, common));
        for (int i = random.Next(3); i > 0; i--)
            segments.Add(random.Next(3) == 0 ? Image(model, random) : Text(model, random, 1 + random.Next(60)));
        segments.Add(Text(model, random, 1 + random.Next(20)));
        return new ScheduledRequest(new Prompt(segments), seed);
    }

    /// <summary>Random tokens, here and there the end of a turn among them.</summary>
    public static PromptSegment Text(VlmModel model, Random random, int length) => new(Enumerable.Range(0, length).Select(_ => random.Next(25) == 0 ? model.Manifest.EndTokenIds[0] : 10 + random.Next(80)).ToArray());

    /// <summary>A random image.</summary>
    public static PromptSegment Image(VlmModel model, Random random)
    {
        int side = model.Manifest.Image.PatchSize, rows = 1 + random.Next(5), columns = 1 + random.Next(5);
        byte[] pixels = new byte[rows * columns * 3 * side * side];
        random.NextBytes(pixels);
        return ImageRun.Create(model.Manifest.Image.Tokens, new PatchGrid(rows, columns, pixels));
    }

    /// <summary>Greedy, sampled, with penalties, with a grammar, with tokens that a callback replaces, or with a text and an image that it has the model read.</summary>
    /// <param name="model">The model that answers.</param>
    /// <param name="before">Called at each token before anything else.</param>
    public GenerationOptions Options(VlmModel model, Action<int>? before = null)
    {
        int kind = Seed % 6, replacement = 10 + (Seed % 80);
        GenerationOptions options = new()
        {
            MaxNewTokens = 3 + (Seed * 7 % 20), TopLogprobs = 2, Seed = Seed, Temperature = kind == 1 ? 0.8 : 0, PresencePenalty = kind == 2 ? 1 : 0, RepetitionPenalty = 1, TopK = 0,
            // Of a quarter of a million tokens that are nearly alike, where the set ends hangs on the last bits.
            TopP = kind == 1 && model.Manifest.VocabularySize < 10_000 ? 0.9 : 1,
            Guidance = kind == 3 ? Guidance.Regex("[a-z]{2,5}, [0-9]{1,3}") : null,
        };
        Func<TokenStep, TokenDecision> decide = kind switch
        {
            4 => step => step.Index % 4 == 3 && step.TokenId != replacement ? TokenDecision.Replace(replacement) : TokenDecision.Continue,
            5 => step => step.Index == 2 ? TokenDecision.Append(new TextContent("and "), new DataContent(Picture.Value, "image/png")) : TokenDecision.Continue,
            _ => _ => TokenDecision.Continue,
        };
        return kind < 4 && before is null ? options : options with
        {
            OnToken = step =>
            {
                before?.Invoke(step.Index);
                return decide(step);
            },
        };
    }
}

/// <summary>The tokens of an answer, with their log probabilities.</summary>
internal sealed class ScheduledAnswer
{
    // Where two scores are closer, another order of additions may choose the other token.
    private const double Tie = 1e-4;

    private readonly List<(int Token, double Logprob, double Margin)> _steps = [];

    public int Count => _steps.Count;

    /// <summary>Tokens of the prompt that came from another row; 0 until the answer has ended.</summary>
    public int CachedTokens { get; private set; }

    public void Add(GenerationUpdate update)
    {
        CachedTokens = update.Statistics?.CachedTokens ?? CachedTokens;
        if (update.TokenId is int token)
            _steps.Add((token, update.Logprob!.Logprob, update.TopLogprobs[0].Logprob - update.TopLogprobs[1].Logprob));
    }

    /// <summary>Compares with what was said in a batch.</summary>
    /// <param name="other">That answer.</param>
    /// <param name="isWhole">Whether it was said to its end.</param>
    /// <returns>What differs, <c>tie</c> where two tokens were equally good, or null; and by how much the log probabilities differ at most.</returns>
    public (string? Difference, double Logprobs) Compare(ScheduledAnswer other, bool isWhole)
    {
        double most = 0;
        for (int i = 0; i < Math.Max(isWhole ? _steps.Count : 0, other._steps.Count); i++)
        {
            if (i >= _steps.Count || i >= other._steps.Count)
                return ($"{other._steps.Count} tokens instead of {_steps.Count}", most);
            if (_steps[i].Token != other._steps[i].Token)
                return (_steps[i].Margin < Tie ? "tie" : $"token {i} is {other._steps[i].Token} instead of {_steps[i].Token}, {_steps[i].Margin:E1} ahead", most);
            most = Math.Max(most, Math.Abs(_steps[i].Logprob - other._steps[i].Logprob));
        }
        return (null, most);
    }
}
