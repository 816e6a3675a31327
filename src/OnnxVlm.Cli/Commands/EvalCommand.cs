using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Evaluation.Cases;
using OnnxVlm.Evaluation.Programs;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm eval</c>: the model's score on a folder of cases, by group.</summary>
internal static class EvalCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.Model();
        Option<DirectoryInfo> data = new("--data") { Description = "A folder with cases.jsonl and its images.", Required = true, HelpName = "DIR" };
        Option<string> device = SharedOptions.Device();
        Option<string> runner = SharedOptions.Runner();
        Option<bool> json = SharedOptions.Json();
        Option<bool> misses = new("--misses") { Description = "List the cases that are not fully right, on stderr." };
        Option<bool> guided = new("--guided") { Description = "Make the answer of a case that has a json_schema follow it." };
        Option<int> maxTokens = new("--max-tokens") { Description = "The most tokens of an answer.", DefaultValueFactory = _ => 256, HelpName = "N" };
        Command command = new("eval", "Score the model on a folder of cases, by group. Cases whose metric is code compile and run what the model writes.")
        {
            model, data, device, runner, json, misses, guided, maxTokens,
        };
        command.SetWork(async (result, cancellationToken) =>
        {
            GenerationOptions options = CommandAction.CheckArguments(() => new GenerationOptions { MaxNewTokens = result.GetValue(maxTokens) });
            using EvaluationSet set = new(result.GetValue(data)!.FullName);
            using VlmModel loaded = SharedOptions.LoadModel(result.GetValue(model)!, result.GetValue(device)!, runner: result.GetValue(runner)!);
            ProgramScorer programs = new();
            List<(EvaluationCase Case, double Score)> scores = [];
            List<EvaluationCase> notRun = [];
            List<bool> validGuided = [];
            foreach (EvaluationCase item in set.Cases)
            {
                bool isGuided = result.GetValue(guided) && item.JsonSchema is not null;
                string answer = await AnswerAsync(loaded, item, set, options, isGuided, cancellationToken).ConfigureAwait(false);
                if (isGuided)
                    validGuided.Add(IsJson(answer));
                if (await ScoreAsync(programs, item, answer, cancellationToken).ConfigureAwait(false) is not { } score)
                {
                    notRun.Add(item);
                    continue;
                }
                scores.Add((item, score));
                if (score < 1 && result.GetValue(misses))
                    Console.Error.WriteLine($"{item.Id}: expected {CliJson.Quote(item.Expected)}, found {CliJson.Quote(answer)}");
            }
            foreach (IGrouping<string, EvaluationCase> group in notRun.GroupBy(item => item.Group))
                Console.Error.WriteLine($"{group.Key}: {group.Count()} cases in Python were not run and are not scored: no python3 on the PATH.");
            if (validGuided.Count > 0)
                Console.Error.WriteLine($"guided: {validGuided.Count(valid => valid)} of {validGuided.Count} answers are valid JSON.");
            if (scores.Count == 0)
                throw new VlmException("No case could be run.");
            Print(scores, result.GetValue(json));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<double?> ScoreAsync(ProgramScorer programs, EvaluationCase item, string answer, CancellationToken cancellationToken) =>
        item.Metric == Metrics.Code
        ? await programs.ScoreAsync(ProgramTask.Parse(item.Expected), answer, cancellationToken).ConfigureAwait(false)
        : Metrics.Score(item.Metric, item.Expected, answer);

    private static async Task<string> AnswerAsync(
        VlmModel model, EvaluationCase item, EvaluationSet set, GenerationOptions options, bool isGuided, CancellationToken cancellationToken)
    {
        try
        {
            byte[][] images = [.. item.Images.Select(image => set.ReadImage(image, new ImageLimits().MaxBytes))];
            List<ChatMessage> messages = [];
            foreach (EarlierTurn turn in item.Turns)
            {
                messages.AddRange(RunCommand.CreateMessages(null, turn.Prompt, messages.Count == 0 ? images : []));
                string earlier = turn.Answer ?? await GenerateAsync(model, messages, options, cancellationToken).ConfigureAwait(false);
                if (earlier.Length == 0)
                    return "";      // a conversation holds no empty message, so it ends here
                messages.Add(new ChatMessage(ChatRole.Assistant, earlier));
            }
            messages.AddRange(RunCommand.CreateMessages(null, item.Prompt, messages.Count == 0 ? images : []));
            if (isGuided)
                options = options with { Guidance = Guidance.JsonSchema(item.JsonSchema!.Value.GetRawText()) };
            return await GenerateAsync(model, messages, options, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is VlmException or ArgumentException or IOException)
        {
            throw new VlmException($"case {item.Id}: {e.Message}", e);
        }
    }

    private static async Task<string> GenerateAsync(
        VlmModel model, IReadOnlyList<ChatMessage> messages, GenerationOptions options, CancellationToken cancellationToken)
    {
        StringBuilder text = new();
        await foreach (GenerationUpdate update in model.GenerateAsync(
            model.CreatePrompt(messages, new PromptOptions(), cancellationToken), options, cancellationToken).ConfigureAwait(false))
            text.Append(update.IsReasoning ? "" : update.Text);
        return text.ToString();
    }

    private static bool IsJson(string answer)
    {
        try
        {
            JsonDocument.Parse(answer).Dispose();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static void Print(List<(EvaluationCase Case, double Score)> scores, bool json)
    {
        var groups = scores.GroupBy(s => s.Case.Group)
            .OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => (Name: g.Key, N: g.Count(), Score: GroupScore(g))).ToList();
        double total = groups.Sum(g => g.N * g.Score) / scores.Count;
        if (json)
        {
            Console.Out.WriteLine(CliJson.Write(CliJson.Object(
                ("groups", CliJson.Object(groups.Select(g => (g.Name, (JsonNode?)CliJson.Object(("n", g.N), ("score", g.Score)))))), ("score", total))));
            return;
        }
        Table table = PlainTable.Create("group", "cases", "score");
        foreach (var (name, n, score) in groups)
            table.AddRow(Markup.Escape(name), n.ToString(CultureInfo.InvariantCulture), Percent(score));
        table.AddRow("all", scores.Count.ToString(CultureInfo.InvariantCulture), Percent(total));
        PlainTable.Write(table);
    }

    // Character accuracy counts characters, so a long text weighs more than a short one; every other metric counts cases.
    private static double GroupScore(IEnumerable<(EvaluationCase Case, double Score)> group)
    {
        double score = 0, weights = 0;
        foreach ((EvaluationCase item, double value) in group)
        {
            double weight = item.Metric == "cer" ? Math.Max(1, item.Expected.Trim().Length) : 1;
            score += weight * value;
            weights += weight;
        }
        return score / weights;
    }

    private static string Percent(double score) => score.ToString("F4", CultureInfo.InvariantCulture);
}
