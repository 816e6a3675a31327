using System.CommandLine;
using OnnxVlm.Cli.Models;
using OnnxVlm.Hub;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm rm</c>: removes models from this machine, and the remains of interrupted pulls.</summary>
internal static class RemoveCommand
{
    public static Command Create()
    {
        Argument<string[]> models = new("MODEL")
        {
            Description = "Names as onnxvlm list shows them; without :VARIANT, all variants.",
            Arity = ArgumentArity.OneOrMore,
        };
        Command command = new("rm", "Remove models from this machine.") { models };
        command.SetWork((result, _) =>
        {
            ModelReference[] references = CommandAction.CheckArguments(() => result.GetValue(models)!.Select(ModelReference.Parse).ToArray());
            using ModelHub hub = new();
            foreach (ModelReference reference in references)
            {
                IReadOnlyList<LocalModel> removed = hub.Remove(reference);
                if (removed.Count == 0)
                    throw new ModelHubException(ModelHubError.NotFound, $"{reference} is not on this machine; onnxvlm list shows what is");
                foreach (LocalModel model in removed)
                    Console.Error.WriteLine($"removed {model.Reference}, {PullConsole.Size(model.SizeBytes)}");
            }

            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}
