using System.CommandLine;
using OnnxVlm.Cli.Models;
using OnnxVlm.Export;
using OnnxVlm.Hub;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm pull</c>: downloads a model by name, and quantizes it during the download.</summary>
internal static class PullCommand
{
    public static Command Create()
    {
        Argument<string> model = ModelName();
        Option<string?> precision = new("--precision")
        {
            Description = "Storage of the weights; by default int4 for models of more than a billion parameters, else int8.",
            HelpName = string.Join('|', ModelManifest.Precisions),
        };
        precision.AcceptOnlyFromAmong([.. ModelManifest.Precisions]);
        Option<int?> blockSize = new("--block-size")
        {
            Description = "Weights that share a scale, for int8 and int4: 32 (default), 64 or 128.",
            HelpName = "32|64|128",
        };
        Option<string> device = SharedOptions.Device();
        device.Description = "The device that the graph is written for; auto is the first that works here.";
        Option<bool> keep = new("--keep-checkpoint") { Description = "Download the checkpoint into Hugging Face's cache first, and leave it there." };
        Option<bool> verify = new("--verify")
        {
            Description = "Read the checkpoint of a pulled model once more and compare; for a model whose download was interrupted.",
        };
        Option<bool> again = new("--again") { Description = "Pull a model again that is already here." };
        Option<bool> yes = SharedOptions.Yes();
        Option<bool> noTrial = SharedOptions.NoTrial();
        Option<bool> json = new("--json") { Description = "Print events, one JSON object a line." };
        Command command = new("pull", "Download a model, and quantize it while it comes.")
        {
            model, precision, blockSize, device, keep, verify, again, noTrial, yes, json,
        };
        command.SetWork(async (result, cancellationToken) =>
        {
            ModelReference reference = CommandAction.CheckArguments(() => ModelReference.Parse(result.GetValue(model)!));
            using ModelHub hub = ModelLocator.CreateHub(result.GetValue(noTrial));
            PullConsole console = new(result.GetValue(json));
            if (result.GetValue(verify))
                return await VerifyAsync(hub, reference, console, cancellationToken).ConfigureAwait(false);
            PullOptions options = new()
            {
                Precision = result.GetValue(precision) is string chosen ? Enum.Parse<Precision>(chosen, ignoreCase: true) : null,
                BlockSize = result.GetValue(blockSize) is not int size
                    ? null
                    : size is 32 or 64 or 128 ? size : throw new WrongArgumentException($"--block-size: expected 32, 64 or 128, found {size}."),
                Device = reference.Variant is null || result.GetResult(device) is { Implicit: false } ? ModelLocator.DeviceOf(result.GetValue(device)!) : null,
                KeepsCheckpoint = result.GetValue(keep),
                PullsAgain = result.GetValue(again),
            };
            PullPlan plan = await hub.PlanAsync(reference, options, console, cancellationToken).ConfigureAwait(false);
            if (plan.Existing is not null)
            {
                console.ShowDone(plan.Existing);
                return ExitCode.Done;
            }

            console.ShowPlan(plan);
            if (plan.FitsDisk)
                Confirm(plan, console, result.GetValue(yes));
            await ModelLocator.PullAsync(hub, plan, console, cancellationToken).ConfigureAwait(false);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>The argument for the name of a model.</summary>
    public static Argument<string> ModelName() => new("MODEL")
    {
        Description = "OWNER/NAME as on the Hugging Face hub, " +
            $"or {string.Join(", ", ModelReference.ShortNames.Keys)}; then @REVISION, and :VARIANT such as :int4.",
    };

    private static void Confirm(PullPlan plan, PullConsole console, bool yes)
    {
        if (yes)
            return;
        if (PullConsole.CanAsk ? console.Ask(plan) : plan.FitsMemory)
            return;
        throw new ModelHubException(
            ModelHubError.NotPulled, $"{plan.Reference} was not pulled{(plan.FitsMemory ? "" : ": the memory of this machine is too small for it")}; " +
            $"to pull it anyway: onnxvlm pull {plan.Reference} --yes");
    }

    private static async Task<int> VerifyAsync(ModelHub hub, ModelReference reference, PullConsole console, CancellationToken cancellationToken)
    {
        LocalModel model = hub.Find(reference)
            ?? throw new ModelHubException(ModelHubError.NotPulled, $"{reference} is not on this machine; get it with: onnxvlm pull {reference}");
        try
        {
            await hub.VerifyAsync(model, console, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            console.EndBar();
        }

        console.ShowDone(hub.Find(model.Reference)!);
        return ExitCode.Done;
    }
}
