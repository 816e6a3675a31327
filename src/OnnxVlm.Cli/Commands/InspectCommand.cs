using System.CommandLine;
using System.Globalization;
using OnnxVlm.ModelFolder;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm inspect</c>: what a model folder holds.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<DirectoryInfo> folder = new("DIR") { Description = "The model folder." };
        Command command = new("inspect", "Show what a model folder holds.") { folder };
        command.SetWork((result, _) =>
        {
            Print(result.GetValue(folder)!.FullName);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void Print(string folder)
    {
        ModelManifest manifest = ModelManifest.Load(folder);
        ImageRules image = manifest.Image;
        Table table = PlainTable.Create("", "");
        table.HideHeaders();
        Row("architecture", manifest.Architecture);
        Row("source", $"{manifest.Source.Name} @ {manifest.Source.Revision}");
        Row("precision", manifest.Precision);
        Row("context", $"{manifest.ContextLength} tokens");
        Row("vocabulary", $"{manifest.VocabularySize} tokens, ends at {string.Join(", ", manifest.EndTokenIds)}");
        Row("patches", $"{image.PatchSize} px, {image.PatchLayout}, {(image.HasPositions ? "with row and column embeddings" : "without positions of their own")}");
        Row("resize", image.Resize.ToString());
        Row("padding", image.Padding.ToString());
        Row("image tokens", image.Tokens.ToString());
        foreach (string file in manifest.Files.Keys.Order(StringComparer.Ordinal))
            Row(file, string.Create(CultureInfo.InvariantCulture, $"{new FileInfo(Path.Combine(folder, file)).Length / 1e6:F2} MB"));
        PlainTable.Write(table);

        void Row(string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));
    }
}
