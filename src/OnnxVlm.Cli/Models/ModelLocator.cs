using OnnxVlm.Cli.Commands;
using OnnxVlm.Hub;
using OnnxVlm.Runtime;

namespace OnnxVlm.Cli.Models;

/// <summary>Finds the model that <c>--model</c> names: a folder, a model on this machine, or one on the hub, which is offered for download.</summary>
internal static class ModelLocator
{
    /// <summary>The model folder.</summary>
    /// <param name="argument">The argument as it was given.</param>
    /// <param name="device">The value of <c>--device</c>; a model that is pulled gets a graph for it.</param>
    /// <param name="yes">Whether a missing model is pulled without a question.</param>
    /// <param name="cancellationToken">Interrupts a pull.</param>
    /// <exception cref="ModelHubException">The model is not here, and may not or cannot be pulled.</exception>
    public static async Task<DirectoryInfo> LocateAsync(DirectoryInfo argument, string device, bool yes, CancellationToken cancellationToken) =>
        new(await LocateAsync(argument.ToString(), device, yes, cancellationToken).ConfigureAwait(false));

    /// <inheritdoc cref="LocateAsync(DirectoryInfo, string, bool, CancellationToken)"/>
    public static async Task<string> LocateAsync(string argument, string device, bool yes, CancellationToken cancellationToken)
    {
        if (Directory.Exists(argument))
            return argument;
        if (!ModelReference.TryParse(argument, out ModelReference? reference))
            throw new ModelLoadException(
                $"{argument}: there is no such model folder, and no model has this name; give a folder, a name of onnxvlm list, or OWNER/NAME as on the hub");
        using ModelHub hub = CreateHub();
        if (hub.Find(reference) is LocalModel here)
            return here.Folder;
        if (hub.List().FirstOrDefault(model => model.State == LocalModelState.Outdated
            && model.Reference.Id.Equals(reference.Id, StringComparison.OrdinalIgnoreCase)) is LocalModel outdated)
            throw new ModelLoadException($"{outdated.Reference}: was written by another version of OnnxVlm; renew it with: onnxvlm upgrade {outdated.Folder}");
        if (!yes && !PullConsole.CanAsk)
            throw new ModelHubException(
                ModelHubError.NotPulled,
                $"{reference} is not a folder, and the model is not on this machine; get it with: onnxvlm pull {reference}, or add --yes");

        PullConsole console = new(json: false);
        PullOptions options = new() { Device = reference.Variant is null ? DeviceOf(device) : null };
        PullPlan plan = await hub.PlanAsync(reference, options, console, cancellationToken).ConfigureAwait(false);
        console.ShowPlan(plan);
        if (!yes && !console.Ask(plan))
            throw new ModelHubException(ModelHubError.NotPulled, $"{plan.Reference} was not pulled; get it with: onnxvlm pull {reference}");
        LocalModel pulled = await PullAsync(hub, plan, console, cancellationToken).ConfigureAwait(false);
        return pulled.Folder;
    }

    /// <summary>The hub that the environment says.</summary>
    /// <param name="noTrial">Whether the graphs of pulled checkpoints are left untried.</param>
    public static ModelHub CreateHub(bool noTrial = false) => new(new ModelHubOptions { Trial = noTrial ? null : TrialProcess.On });

    /// <summary>Pulls as planned, and shows the progress.</summary>
    public static async Task<LocalModel> PullAsync(ModelHub hub, PullPlan plan, PullConsole console, CancellationToken cancellationToken)
    {
        try
        {
            LocalModel pulled = await hub.PullAsync(plan, console, cancellationToken).ConfigureAwait(false);
            console.ShowDone(pulled);
            return pulled;
        }
        finally
        {
            console.EndBar();
        }
    }

    /// <summary>The device of the graph; <c>auto</c> is the first device that works here.</summary>
    public static Device DeviceOf(string device) => device switch
    {
        "cuda" => Device.Cuda,
        "directml" => Device.DirectMl,
        "cpu" => Device.Cpu,
        _ => DeviceCatalog.Candidates.First(candidate => DeviceCatalog.MissingFor(candidate) is null),
    };
}
