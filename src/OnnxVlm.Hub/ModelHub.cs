using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Http;
using OnnxVlm.Hub.Local;
using OnnxVlm.Hub.Protocol;
using OnnxVlm.Hub.Pulling;

namespace OnnxVlm.Hub;

/// <summary>
/// Models by name: pulls them from the Hugging Face hub, and lists and removes those on this machine. A checkpoint is quantized while it is
/// downloaded, and is never stored on this disk. Thread-safe; several processes may use the same folder.
/// <code>
/// using ModelHub hub = new();
/// LocalModel pulled = await hub.PullAsync("gemma-4-12b");
/// using VlmModel model = VlmModel.Load(pulled.Folder);
/// </code>
/// </summary>
public sealed class ModelHub : IModelResolver, IDisposable
{
    private readonly ModelHubOptions _options;
    private readonly HubClient _client;
    private readonly HubApi _api;
    private readonly ModelStore _store;

    /// <summary>Creates the hub; the network is not used yet.</summary>
    /// <param name="options">The origin and the folder of models; null for the settings of the environment.</param>
    /// <exception cref="ModelHubException">The environment has an invalid token.</exception>
    public ModelHub(ModelHubOptions? options = null)
        : this(options ?? new ModelHubOptions(), delay: null)
    {
    }

    internal ModelHub(ModelHubOptions options, Func<TimeSpan, CancellationToken, Task>? delay)
    {
        _options = options;
        _client = new HubClient(options, delay);
        _api = new HubApi(_client, options);
        _store = new ModelStore(options.ModelsFolder);
    }

    /// <summary>The origin and the folder of models.</summary>
    public ModelHubOptions Options => _options;

    /// <summary>All models on this machine, including those whose pull was interrupted.</summary>
    public IReadOnlyList<LocalModel> List() => _store.List();

    /// <summary>The model with a name on this machine; of several, the one pulled last.</summary>
    /// <param name="reference">The name.</param>
    /// <returns>The model, which is ready; null where there is none.</returns>
    public LocalModel? Find(ModelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        return _store.Find(reference).Where(model => model.State == LocalModelState.Ready).MaxBy(model => model.Changed);
    }

    /// <summary>Plans a pull. Reads the model's description, its small files and the headers of its weights.</summary>
    /// <param name="reference">The name.</param>
    /// <param name="options">How it is pulled; null for the defaults.</param>
    /// <param name="progress">Reports what is waited for.</param>
    /// <param name="cancellationToken">Cancels the planning.</param>
    /// <exception cref="ModelHubException">The model cannot be pulled.</exception>
    /// <exception cref="UnsupportedModelException">Its architecture cannot be exported; in that case only config.json was read.</exception>
    /// <exception cref="ModelLoadException">The checkpoint is damaged.</exception>
    public async Task<PullPlan> PlanAsync(
        ModelReference reference, PullOptions? options = null, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reference);
        PullReporter reporter = new(progress);
        using IDisposable waiting = Listen(reporter);
        return await CreatePlanner(reporter).PlanAsync(reference, options ?? new PullOptions(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Pulls a model. The work of an earlier pull is not repeated.</summary>
    /// <param name="name">The name, as <see cref="ModelReference.Parse"/> reads it.</param>
    /// <param name="options">How it is pulled; null for the defaults.</param>
    /// <param name="progress">Reports the progress, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Interrupts the pull; pulling it again continues.</param>
    /// <inheritdoc cref="PullAsync(PullPlan, IProgress{PullProgress}, CancellationToken)"/>
    public async Task<LocalModel> PullAsync(
        string name, PullOptions? options = null, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default) =>
        await PullAsync(await PlanAsync(ModelReference.Parse(name), options, progress, cancellationToken).ConfigureAwait(false), progress, cancellationToken)
            .ConfigureAwait(false);

    /// <summary>Pulls a model as planned. If two processes pull the same model, one works and the other waits.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="progress">Reports the progress, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Interrupts the pull; pulling it again continues.</param>
    /// <returns>The model on this machine.</returns>
    /// <exception cref="ModelHubException">The model cannot be pulled.</exception>
    /// <exception cref="ModelLoadException">The checkpoint is damaged, or the folder cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<LocalModel> PullAsync(PullPlan plan, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Existing is not null)
            return plan.Existing;
        PullReporter reporter = new(progress);
        using IDisposable waiting = Listen(reporter);
        return await new Puller(_options, _store, CreatePlanner(reporter), reporter).PullAsync(plan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Reads the checkpoint of a model once more and compares the model with it. If they match, a model whose pull was interrupted is no
    /// longer marked as unverified.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="progress">Reports the progress, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Cancels the comparison.</param>
    /// <exception cref="ModelHubException">The checkpoint cannot be read.</exception>
    /// <exception cref="ModelLoadException">The model differs from it.</exception>
    public async Task VerifyAsync(LocalModel model, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        PullReporter reporter = new(progress);
        using IDisposable waiting = Listen(reporter);
        ModelReference pinned = ModelReference.Parse($"{model.Reference.Id}@{model.Source?.Revision}:{model.Reference.Variant}");
        Planner planner = CreatePlanner(reporter);
        PullPlan plan = await planner.PlanAsync(pinned, new PullOptions { PullsAgain = true, Folder = model.Folder }, cancellationToken).ConfigureAwait(false);
        await new Puller(_options, _store, planner, reporter).VerifyAsync(plan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes a model from this machine, or the remains of an interrupted pull.</summary>
    /// <param name="reference">The name; without a variant, all variants.</param>
    /// <returns>What was removed.</returns>
    /// <exception cref="ModelHubException">The model is being pulled, or cannot be removed.</exception>
    public IReadOnlyList<LocalModel> Remove(ModelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        IReadOnlyList<LocalModel> models = [.. _store.Find(reference)];
        foreach (LocalModel model in models)
            ModelStore.Remove(model);
        return models;
    }

    /// <summary>
    /// Renews a model folder that another version of OnnxVlm wrote: the same commit of the same checkpoint is pulled again, and replaces it.
    /// </summary>
    /// <param name="folder">The model folder, here or elsewhere.</param>
    /// <param name="progress">Reports the progress, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Cancels the renewal; the old folder stays until the new one is complete.</param>
    /// <returns>Whether the folder needed renewal.</returns>
    /// <exception cref="ModelHubException">The folder does not name its checkpoint, or the checkpoint cannot be pulled.</exception>
    public async Task<bool> UpgradeAsync(string folder, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (OutdatedFolder.Read(folder) is not OutdatedFolder old)
            return false;
        PullOptions options = new()
        {
            Precision = old.Variant.Precision,
            BlockSize = old.Variant.BlockSize,
            Device = old.Variant.Device,
            PullsAgain = true,
            Folder = Path.GetFullPath(folder),
        };
        PullPlan plan = await PlanAsync(old.Reference, options, progress, cancellationToken).ConfigureAwait(false);
        await PullAsync(plan, progress, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>The folder of a model on this machine. Pulls the model if it is missing and <see cref="ModelHubOptions.PullsMissing"/> is set.</summary>
    /// <param name="model">The name.</param>
    /// <param name="cancellationToken">Interrupts the pull.</param>
    /// <exception cref="ArgumentException"><paramref name="model"/> is not a name of a model.</exception>
    /// <exception cref="ModelHubException">The model is not here, or cannot be pulled.</exception>
    public async ValueTask<string> ResolveAsync(string model, CancellationToken cancellationToken = default)
    {
        var reference = ModelReference.Parse(model);
        if (Find(reference) is LocalModel local)
            return local.Folder;
        if (!_options.PullsMissing)
            throw new ModelHubException(ModelHubError.NotPulled, $"{reference} is not on this machine; get it with: onnxvlm pull {reference}");
        return (await PullAsync(model, cancellationToken: cancellationToken).ConfigureAwait(false)).Folder;
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private Planner CreatePlanner(PullReporter reporter) => new(_options, _client, _api, _store, reporter);

    private Subscription Listen(PullReporter reporter)
    {
        void Tell(string problem, TimeSpan delay) =>
            reporter.Note(delay.TotalSeconds >= 1 ? $"{problem}: trying again in {delay.TotalSeconds:F0} s" : problem, isWaiting: true);
        _client.Waiting += Tell;
        return new Subscription(() => _client.Waiting -= Tell);
    }

    private sealed class Subscription(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
