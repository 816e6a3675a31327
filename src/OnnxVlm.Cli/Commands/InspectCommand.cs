using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Export.Inspection;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm inspect</c>: the contents of a model folder, and the memory it needs.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<DirectoryInfo> folder = new("DIR") { Description = "The model folder." };
        Option<int?> context = new("--context") { Description = "Tokens to compute the memory for; the model's context length by default.", HelpName = "N" };
        Option<bool> json = SharedOptions.Json();
        Command command = new("inspect", "Show what a model folder holds, and the memory it needs.") { folder, context, json };
        command.SetWork((result, _) =>
        {
            string path = result.GetValue(folder)!.FullName;
            ModelManifest manifest = ModelManifest.Load(path);
            ModelSummary summary = ModelInspector.Inspect(path);
            int tokens = result.GetValue(context) ?? manifest.ContextLength;
            if (tokens < 1 || tokens > manifest.ContextLength)
                throw new WrongArgumentException($"--context: expected 1 to {manifest.ContextLength}, found {tokens}.");
            if (result.GetValue(json))
                PrintJson(manifest, summary, tokens);
            else
                Print(path, manifest, summary, tokens);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void Print(string folder, ModelManifest manifest, ModelSummary summary, int tokens)
    {
        ImageRules image = manifest.Image;
        JsonNode rules = JsonNode.Parse(File.ReadAllBytes(Path.Combine(folder, ModelManifest.FileName)))!["image"]!;
        Table table = PlainTable.Create("", "");
        table.HideHeaders();
        Row("architecture", manifest.Architecture);
        Row("source", $"{manifest.Source.Name} @ {manifest.Source.Revision}");
        Row("parameters", string.Create(CultureInfo.InvariantCulture, $"{summary.Parameters / 1e6:F1} million"));
        Row("precision", $"{manifest.Precision}, for {manifest.Device ?? "cpu"}");
        Row("context", $"{manifest.ContextLength} tokens");
        Row("vocabulary", $"{manifest.VocabularySize} tokens, " +
            $"ends at {string.Join(", ", manifest.EndTokenIds)}{(manifest.HasTokenizer ? "" : "; no tokenizer")}");
        Row("patches", $"{image.PatchSize} px, {image.PatchLayout}, {(image.HasPositions ? "with their column and row" : "without positions of their own")}");
        Row("resize", Json("resize"));
        Row("padding", Json("padding"));
        Row("image tokens", Json("tokens"));
        foreach (string file in manifest.Files.Keys.Order(StringComparer.Ordinal))
            Row(file, Megabytes(new FileInfo(Path.Combine(folder, file)).Length));
        Row("inputs", string.Join("; ", summary.Inputs.Select(input => $"{input.Name} {input.Type}")));
        Row("outputs", string.Join("; ", summary.Outputs.Select(output => $"{output.Name} {output.Type}")));
        Row("fused operators", string.Join(", ", summary.FusedOperators.Select(op => $"{op.Value} {op.Key}")) + $"; {summary.StandardNodes} standard nodes");
        Row("read for a token", Megabytes(summary.WeightBytesPerToken));
        CacheSize cache = summary.Cache;
        Row($"memory, {tokens} tokens",
            $"{Megabytes(summary.SizeBytes)} of weights + {Megabytes(cache.Bytes(tokens) - cache.StateBytes)} of cache ({PerToken(cache)})"
            + (cache.StateBytes > 0 ? $" + {Megabytes(cache.StateBytes)} of state" : ""));
        long budget = new VlmOptions().CacheBytes;
        Row("answers at once",
            $"{cache.SequencesWithin(budget, tokens)} of {tokens} tokens within {Megabytes(budget)} of cache, the default of CacheBytes on this machine");
        PlainTable.Write(table);

        Console.Out.WriteLine();
        Table weights = PlainTable.Create("layers", "storage", "tensors", "numbers", "size");
        foreach (WeightGroup group in summary.Weights)
            weights.AddRow(group.Layer, group.Storage, group.Tensors.ToString(CultureInfo.InvariantCulture),
                group.Numbers.ToString(CultureInfo.InvariantCulture), Megabytes(group.SizeBytes));
        PlainTable.Write(weights);

        string Json(string key) => rules[key]!.ToJsonString(CliJson.Compact.Options);

        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));
    }

    private static void PrintJson(ModelManifest manifest, ModelSummary summary, int tokens) => Console.Out.WriteLine(CliJson.Write(CliJson.Object(
        ("architecture", manifest.Architecture),
        ("source", CliJson.Object(("name", manifest.Source.Name), ("revision", manifest.Source.Revision))),
        ("parameters", summary.Parameters),
        ("precision", manifest.Precision),
        ("device", manifest.Device ?? "cpu"),
        ("context_length", manifest.ContextLength),
        ("vocabulary_size", manifest.VocabularySize),
        ("inputs", JsonSerializer.SerializeToNode(summary.Inputs, CliJson.Compact.IReadOnlyListGraphValue)),
        ("outputs", JsonSerializer.SerializeToNode(summary.Outputs, CliJson.Compact.IReadOnlyListGraphValue)),
        ("fused_operators", JsonSerializer.SerializeToNode(summary.FusedOperators, CliJson.Compact.IReadOnlyDictionaryStringInt32)),
        ("weights", JsonSerializer.SerializeToNode(summary.Weights, CliJson.Compact.IReadOnlyListWeightGroup)),
        ("size_bytes", summary.SizeBytes),
        ("weight_bytes_per_token", summary.WeightBytesPerToken),
        ("cache_bytes_per_token", summary.CacheBytesPerToken),
        ("window_bytes_per_token", summary.Cache.WindowTokenBytes),
        ("window_tokens", summary.Cache.WindowTokens),
        ("default_cache_bytes", new VlmOptions().CacheBytes),
        ("state_bytes", summary.Cache.StateBytes),
        ("memory", CliJson.Object(("tokens", tokens), ("bytes", summary.SizeBytes + summary.Cache.Bytes(tokens)))))));

    private static string PerToken(CacheSize cache) => cache.WindowTokens is int window
        ? $"{cache.TokenBytes} bytes a token, and {cache.WindowTokenBytes} for each of the last {window}"
        : $"{cache.TokenBytes + cache.WindowTokenBytes} bytes a token";

    private static string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F2} MB");
}
