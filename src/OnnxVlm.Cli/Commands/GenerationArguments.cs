using System.CommandLine;
using OnnxVlm.Generation;

namespace OnnxVlm.Cli.Commands;

/// <summary>The arguments that control how an answer is generated.</summary>
internal sealed class GenerationArguments
{
    private static readonly GenerationOptions Defaults = new();

    private readonly Option<int> _maxTokens = new("--max-tokens") { Description = "The most tokens of the answer.", DefaultValueFactory = _ => Defaults.MaxNewTokens, HelpName = "N" };
    private readonly Option<double> _temperature = new("--temperature") { Description = "0 takes the most probable token; up to 2 samples ever more freely.", DefaultValueFactory = _ => Defaults.Temperature, HelpName = "T" };
    private readonly Option<double> _topP = new("--top-p") { Description = "Sample from the tokens whose probabilities sum to this.", DefaultValueFactory = _ => Defaults.TopP, HelpName = "P" };
    private readonly Option<int> _topK = new("--top-k") { Description = "Sample from this many tokens; 0 for all.", DefaultValueFactory = _ => Defaults.TopK, HelpName = "K" };
    private readonly Option<double> _minP = new("--min-p") { Description = "Sample from tokens with this share of the best one's probability.", DefaultValueFactory = _ => Defaults.MinP, HelpName = "P" };
    private readonly Option<long?> _seed = new("--seed") { Description = "Same seed, same answer.", HelpName = "N" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "A text that ends the answer; may be given several times.", HelpName = "S" };
    private readonly Option<FileInfo?> _jsonSchema = new("--json-schema") { Description = "The answer is JSON that this schema accepts.", HelpName = "FILE" };
    private readonly Option<string?> _regex = new("--regex") { Description = "The answer matches this regular expression.", HelpName = "RE" };
    private readonly Option<int?> _logprobs = new("--logprobs") { Description = "Report log probabilities with this many alternatives, 0 to 20.", HelpName = "K" };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _maxTokens, _temperature, _topP, _topK, _minP, _seed, _stop, _jsonSchema, _regex, _logprobs })
            command.Add(option);
    }

    /// <summary>The options that the arguments stand for.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <exception cref="WrongArgumentException">A value is out of range, or two grammars are given.</exception>
    public GenerationOptions Read(ParseResult result) => CommandAction.CheckArguments(() => new GenerationOptions
    {
        MaxNewTokens = result.GetValue(_maxTokens),
        Temperature = result.GetValue(_temperature),
        TopP = result.GetValue(_topP),
        TopK = result.GetValue(_topK),
        MinP = result.GetValue(_minP),
        Seed = result.GetValue(_seed),
        StopTexts = result.GetValue(_stop) ?? [],
        TopLogprobs = result.GetValue(_logprobs),
        Guidance = ReadGuidance(result.GetValue(_jsonSchema), result.GetValue(_regex)),
    });

    private static Guidance? ReadGuidance(FileInfo? jsonSchema, string? regex)
    {
        if (jsonSchema is not null && regex is not null)
            throw new ArgumentException("--json-schema and --regex exclude each other; give one of them.");
        if (jsonSchema is { Exists: false })
            throw new ArgumentException($"--json-schema: the file {jsonSchema.FullName} does not exist.");
        if (jsonSchema is not null)
            return Guidance.JsonSchema(File.ReadAllText(jsonSchema.FullName));
        return regex is null ? null : Guidance.Regex(regex);
    }
}
