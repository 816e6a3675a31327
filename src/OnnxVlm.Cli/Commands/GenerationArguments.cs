using System.CommandLine;
using System.Globalization;
using OnnxVlm.Generation;

namespace OnnxVlm.Cli.Commands;

/// <summary>The arguments that control how an answer is generated.</summary>
internal sealed class GenerationArguments
{
    private static readonly GenerationOptions Defaults = new();

    private readonly Option<int> _maxTokens = new("--max-tokens")
    {
        Description = "The most tokens of the answer.",
        DefaultValueFactory = _ => Defaults.MaxNewTokens,
        HelpName = "N",
    };
    private readonly Option<int> _minTokens = new("--min-tokens")
    {
        Description = "The fewest tokens: the answer does not end by itself before.",
        DefaultValueFactory = _ => Defaults.MinNewTokens,
        HelpName = "N",
    };
    private readonly Option<double?> _temperature = StrictNumber.Option(
        "--temperature", "0 takes the most probable token; up to 2 samples ever more freely. Default: the model's own, else 0.", "T");
    private readonly Option<double?> _topP = StrictNumber.Option(
        "--top-p", "Sample from the tokens whose probabilities sum to this. Default: the model's own, else 1.", "P");
    private readonly Option<int?> _topK = new("--top-k")
    {
        Description = "Sample from this many tokens; 0 for all. Default: the model's own, else 0.",
        HelpName = "K",
    };
    private readonly Option<double?> _minP = StrictNumber.Option(
        "--min-p", "Sample from tokens with this share of the best one's probability. Default: the model's own, else 0.", "P");
    private readonly Option<long?> _seed = new("--seed") { Description = "Same seed, same answer.", HelpName = "N" };
    private readonly Option<double?> _repetitionPenalty = StrictNumber.Option(
        "--repetition-penalty", "Divides the logits of tokens already there. Default: the model's own, else 1.", "P");
    private readonly Option<double?> _presencePenalty = StrictNumber.Option("--presence-penalty", "Subtracted once from tokens the answer has.", "P");
    private readonly Option<double?> _frequencyPenalty = StrictNumber.Option("--frequency-penalty", "Subtracted for each time the answer has a token.", "P");
    private readonly Option<string[]> _logitBias = new("--logit-bias")
    {
        Description = "Added to a token's logit, -100 to 100; may be given several times.",
        HelpName = "ID=BIAS",
    };
    private readonly Option<string[]> _stop = new("--stop") { Description = "A text that ends the answer; may be given several times.", HelpName = "S" };
    private readonly Option<int[]> _stopToken = new("--stop-token")
    {
        Description = "A token id that ends the answer; may be given several times.",
        HelpName = "ID",
    };
    private readonly Option<string?> _jsonSchema = new("--json-schema")
    {
        Description = "The answer is JSON that the schema in this file accepts.",
        HelpName = "FILE",
    };
    private readonly Option<string?> _regex = new("--regex") { Description = "The answer matches this regular expression, or that of @FILE.", HelpName = "RE" };
    private readonly Option<string?> _lark = new("--lark") { Description = "The answer follows the Lark grammar in this file.", HelpName = "FILE" };
    private readonly Option<int?> _logprobs = new("--logprobs")
    {
        Description = "Report log probabilities with this many alternatives, 0 to 20.",
        HelpName = "K",
    };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[]
        {
            _maxTokens, _minTokens, _temperature, _topP, _topK, _minP, _seed, _repetitionPenalty, _presencePenalty, _frequencyPenalty, _logitBias, _stop,
            _stopToken, _jsonSchema, _regex, _lark, _logprobs,
        })
        {
            command.Add(option);
        }
    }

    /// <summary>The options that the arguments specify.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <exception cref="WrongArgumentException">A value is out of range, or two grammars are given.</exception>
    public GenerationOptions Read(ParseResult result) => CommandAction.CheckArguments(() => new GenerationOptions
    {
        MaxNewTokens = result.GetValue(_maxTokens),
        MinNewTokens = result.GetValue(_minTokens),
        Temperature = result.GetValue(_temperature),
        TopP = result.GetValue(_topP),
        TopK = result.GetValue(_topK),
        MinP = result.GetValue(_minP),
        Seed = result.GetValue(_seed),
        RepetitionPenalty = result.GetValue(_repetitionPenalty),
        PresencePenalty = result.GetValue(_presencePenalty) ?? 0,
        FrequencyPenalty = result.GetValue(_frequencyPenalty) ?? 0,
        LogitBias = (result.GetValue(_logitBias) ?? []).Select(ParseBias).ToDictionary(bias => bias.TokenId, bias => bias.Bias),
        StopSequences = result.GetValue(_stop) ?? [],
        StopTokenIds = result.GetValue(_stopToken) ?? [],
        TopLogprobs = result.GetValue(_logprobs),
        Guidance = ReadGuidance(result),
    });

    private static (int TokenId, double Bias) ParseBias(string argument)
    {
        string[] parts = argument.Split('=');
        return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            && StrictNumber.TryParse(parts[1], out double bias)
            ? (id, bias)
            : throw new ArgumentException($"--logit-bias: expected ID=BIAS, for example 42=-100, found {argument}.");
    }

    private Guidance? ReadGuidance(ParseResult result)
    {
        string? jsonSchema = result.GetValue(_jsonSchema);
        string? lark = result.GetValue(_lark);
        string? regex = result.GetValue(_regex);
        if (new object?[] { jsonSchema, lark, regex }.Count(grammar => grammar is not null) > 1)
            throw new ArgumentException("--json-schema, --regex and --lark exclude each other; give one of them.");
        if (jsonSchema is not null)
            return Guidance.JsonSchema(ReadFile("--json-schema", jsonSchema));
        if (lark is not null)
            return Guidance.Lark(ReadFile("--lark", lark));
        return regex is null ? null : Guidance.Regex(ReadText("--regex", regex));
    }

    // These options take a file name. An @ before the name, as for other options, changes nothing; @@ begins a name that starts with an @.
    private static string ReadFile(string argument, string file) =>
        Read(argument, () => InputFile.ReadText(file.StartsWith('@') ? file[1..] : file, "file"));

    private static string ReadText(string argument, string value) => Read(argument, () => InputFile.TextOf(value, "file"));

    private static string Read(string argument, Func<string> read)
    {
        try
        {
            string text = read();
            return string.IsNullOrWhiteSpace(text) ? throw new ArgumentException($"{argument}: expected text, found nothing.") : text;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"{argument}: {e.Message}", e);
        }
    }
}
