using System.CommandLine;
using OnnxVlm.Cli.Models;
using OnnxVlm.Hub;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm list</c>: the models on this machine.</summary>
internal static class ListCommand
{
    public static Command Create()
    {
        Option<bool> json = SharedOptions.Json();
        Command command = new("list", "List the models on this machine.") { json };
        command.SetWork((result, _) =>
        {
            using ModelHub hub = new();
            IReadOnlyList<LocalModel> models = hub.List();
            if (result.GetValue(json))
                PrintJson(hub, models);
            else if (models.Count == 0)
                Console.Error.WriteLine(
                    $"There is no model in {hub.Options.ModelsFolder}; get one with: onnxvlm pull {ModelReference.ShortNames.Keys.First()}");
            else
                Print(models);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void Print(IReadOnlyList<LocalModel> models)
    {
        Table table = PlainTable.Create("model", "size", "state", "commit", "folder");
        foreach (LocalModel model in models)
            table.AddRow(Markup.Escape(model.Reference.ToString()), PullConsole.Size(model.SizeBytes), Describe(model),
                model.Source?.Revision is { Length: 40 } commit ? commit[..7] : "", Markup.Escape(model.Folder));
        PlainTable.Write(table);
    }

    private static string Describe(LocalModel model) => model.State switch
    {
        LocalModelState.Partial => "partial: pull it again to go on, rm to remove it",
        LocalModelState.Outdated => "outdated: onnxvlm upgrade renews it",
        _ => model.Source?.Unverified is string why ? $"unverified: {why}" : "ready",
    };

    private static void PrintJson(ModelHub hub, IReadOnlyList<LocalModel> models) => Console.Out.WriteLine(CliJson.Write(CliJson.Object(
        ("models_folder", hub.Options.ModelsFolder),
        ("models", CliJson.Array(models.Select(model => CliJson.Object(
            ("model", model.Reference.ToString()), ("state", model.State.ToString().ToLowerInvariant()), ("folder", model.Folder),
            ("size_bytes", model.SizeBytes), ("changed", model.Changed),
            ("revision", model.Source?.Revision), ("unverified", model.Source?.Unverified))))))));
}
