using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Cli.Chat;
using OnnxVlm.Cli.Models;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm run</c>: one question, one answer. The answer streams to stdout, statistics go to stderr.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.NamedModel();
        Option<bool> yes = SharedOptions.Yes();
        Option<string> prompt = new("--prompt")
        {
            Description = "The question; - reads it from standard input, @FILE from a file, and @@ at the start is an @.",
            Required = true,
            HelpName = "TEXT",
        };
        Option<FileInfo[]> images = SharedOptions.Files("--image", "An image for the question; may be given several times.");
        Option<string?> system = new("--system") { Description = "The system message, or @FILE.", HelpName = "TEXT" };
        Option<bool> reason = new("--reason") { Description = "Let the model reason before it answers, if it can. Its reasoning goes to stderr." };
        Option<string> device = SharedOptions.Device();
        Option<string> runner = SharedOptions.Runner();
        Option<int?> imageTokens = SharedOptions.ImageTokens();
        Option<bool> blendAlpha = SharedOptions.BlendAlpha();
        Option<bool> json = SharedOptions.Json();
        GenerationArguments generation = new();
        Command command = new("run", "Ask one question, about images or not, and stream the answer.")
        {
            model, prompt, images, system, reason, imageTokens, blendAlpha, device, runner, yes, json,
        };
        generation.AddTo(command);

        command.SetWork(async (result, cancellationToken) =>
        {
            GenerationOptions options = generation.Read(result);
            if (!Console.IsErrorRedirected && !result.GetValue(json))
                options = options with { OnPrefill = new PrefillLine(Console.Error).Report };
            if (result.GetValue(reason) && options.Guidance is not null)
                throw new WrongArgumentException(
                    "--reason does not go together with --json-schema, --regex or --lark, which the whole answer follows; leave one out.");
            ChatMessage[] messages = CreateMessages(
                result.GetValue(system) is { } text ? InputFile.TextOf(text, "system message") : null,
                InputFile.TextOrInputOf(result.GetValue(prompt)!, "prompt"),
                (result.GetValue(images) ?? []).Select(image => InputFile.ReadBytes(image.FullName, "image", new ImageLimits().MaxBytes)));
            DirectoryInfo folder = await ModelLocator.LocateAsync(
                result.GetValue(model)!, result.GetValue(device)!, result.GetValue(yes), cancellationToken).ConfigureAwait(false);
            using VlmModel loaded = SharedOptions.LoadModel(
                folder, result.GetValue(device)!, imageTokens: result.GetValue(imageTokens), blendAlpha: result.GetValue(blendAlpha),
                runner: result.GetValue(runner)!);
            Prompt built = loaded.CreatePrompt(messages, new PromptOptions { Reasons = result.GetValue(reason) ? true : null }, cancellationToken);
            IAsyncEnumerable<GenerationUpdate> updates = loaded.GenerateAsync(built, options, cancellationToken);
            if (result.GetValue(json))
                await PrintJsonAsync(updates).ConfigureAwait(false);
            else
                await PrintTextAsync(updates, options).ConfigureAwait(false);
            return ExitCode.Done;
        });
        return command;
    }

    internal static ChatMessage[] CreateMessages(string? system, string prompt, IEnumerable<byte[]> images)
    {
        if (string.IsNullOrWhiteSpace(prompt))
            throw new ArgumentException("The prompt is empty; ask something with --prompt.");
        // The kind of image is recognized by its first bytes, not by the file's name.
        ChatMessage user = new(ChatRole.User, [.. images.Select(image => new DataContent(image, "image/*")), new TextContent(prompt)]);
        return system is null ? [user] : [new ChatMessage(ChatRole.System, system), user];
    }

    private static async Task PrintTextAsync(IAsyncEnumerable<GenerationUpdate> updates, GenerationOptions options)
    {
        List<GenerationUpdate> tokens = [];
        bool reasons = false;
        await foreach (GenerationUpdate update in updates.ConfigureAwait(false))
        {
            if (update.IsReasoning)
                Console.Error.Write(update.Text);
            else
                Console.Out.Write(update.Text);
            Console.Out.Flush();
            if (reasons && !update.IsReasoning)
                Console.Error.WriteLine();
            reasons = update.IsReasoning;
            if (update.Logprob is not null)
                tokens.Add(update);
            if (update.Statistics is not { } statistics)
                continue;
            Console.Out.WriteLine();
            if (options.TopLogprobs is not null)
                PrintLogprobs(tokens);
            Console.Error.WriteLine(Summary(statistics, update.FinishReason));
            foreach (string note in Notes(statistics))
                Console.Error.WriteLine(note);
        }
    }

    private static void PrintLogprobs(IEnumerable<GenerationUpdate> tokens)
    {
        foreach (GenerationUpdate update in tokens)
        {
            string alternatives = string.Join("  ", update.TopLogprobs.Select(Describe));
            Console.Error.WriteLine($"{Describe(update.Logprob!)} | {alternatives}");
        }

        static string Describe(TokenLogprob token) =>
            string.Create(CultureInfo.InvariantCulture, $"{CliJson.Quote(Encoding.UTF8.GetString(token.Bytes.Span))} {token.Logprob:F4}");
    }

    internal static string Summary(GenerationStatistics s, FinishReason? reason) => string.Create(CultureInfo.InvariantCulture,
        $"prompt {s.PromptTokens} tokens ({s.ImageTokens} image) · preprocessing {s.Preprocessing.TotalMilliseconds:F1} ms" +
        $" · prefill {s.Prefill.TotalMilliseconds:F1} ms · first token {s.TimeToFirstToken.TotalMilliseconds:F1} ms" +
        $" · answer {s.GeneratedTokens} tokens at {s.DecodeTokensPerSecond:F0} tokens/s · {CliJson.NameOf(reason)}");

    /// <summary>What a user should know of the images: transparent ones, and those that were shrunk very much.</summary>
    internal static IEnumerable<string> Notes(GenerationStatistics s)
    {
        if (s.TransparentImages == 1)
            yield return "One image is transparent, and the model saw its colours without the transparency; --blend-alpha lays it over white.";
        else if (s.TransparentImages > 1)
            yield return $"{s.TransparentImages} images are transparent, " +
                "and the model saw their colours without the transparency; --blend-alpha lays them over white.";
        if (s.ShrunkImages > 0)
            yield return $"{(s.ShrunkImages == 1 ? "One image was" : $"{s.ShrunkImages} images were")} shrunk to less than a third a side, " +
                "to what the model takes: small print is lost. Cut out the part that matters.";
    }

    private static async Task PrintJsonAsync(IAsyncEnumerable<GenerationUpdate> updates)
    {
        StringBuilder text = new(), reasoning = new();
        JsonArray logprobs = [];
        GenerationUpdate? last = null;
        await foreach (GenerationUpdate update in updates.ConfigureAwait(false))
        {
            (update.IsReasoning ? reasoning : text).Append(update.Text);
            if (update.Logprob is { } logprob)
                logprobs.Add(CliJson.Object(("token", Entry(logprob)), ("top", CliJson.Array(update.TopLogprobs.Select(Entry)))));
            last = update;
        }
        GenerationStatistics s = last!.Statistics!;
        Console.Out.WriteLine(CliJson.Write(CliJson.Object(
            ("text", text.ToString()),
            ("reasoning", reasoning.Length == 0 ? null : reasoning.ToString()),
            ("finish_reason", CliJson.NameOf(last.FinishReason)),
            ("usage", Usage(s)),
            ("timings", Timings(s)),
            ("logprobs", logprobs.Count == 0 ? null : logprobs))));

        static JsonNode Entry(TokenLogprob token) => CliJson.Object(
            ("id", token.TokenId),
            ("text", Encoding.UTF8.GetString(token.Bytes.Span)),
            ("bytes", CliJson.Array(token.Bytes.ToArray().Select(b => (JsonNode)(int)b))),
            ("logprob", token.Logprob));
    }

    private static JsonNode Usage(GenerationStatistics s) => CliJson.Object(
        ("prompt_tokens", s.PromptTokens),
        ("image_tokens", s.ImageTokens),
        ("transparent_images", s.TransparentImages),
        ("shrunk_images", s.ShrunkImages),
        ("cached_tokens", s.CachedTokens),
        ("reread_tokens", s.RereadTokens),
        ("completion_tokens", s.GeneratedTokens),
        ("total_tokens", s.PromptTokens + s.GeneratedTokens));

    private static JsonNode Timings(GenerationStatistics s) => CliJson.Object(
        ("preprocessing_ms", s.Preprocessing.TotalMilliseconds),
        ("prefill_ms", s.Prefill.TotalMilliseconds),
        ("time_to_first_token_ms", s.TimeToFirstToken.TotalMilliseconds),
        ("decode_ms", s.Decode.TotalMilliseconds),
        ("prefill_tokens_per_second", s.PrefillTokensPerSecond),
        ("decode_tokens_per_second", s.DecodeTokensPerSecond));
}
