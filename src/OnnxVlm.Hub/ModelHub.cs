using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Http;
using OnnxVlm.Hub.Local;
using OnnxVlm.Hub.Protocol;
using OnnxVlm.Hub.Pulling;

namespace OnnxVlm.Hub;

/// <summary>
/// Models by name: pulls them from the Hugging Face hub, lists and removes those on this machine. A checkpoint is quantized while it comes and never lies on this disk. Thread-safe; several
/// processes may use the same folder.
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

    /// <summary>Creates the hub; nothing is asked of the network yet.</summary>
    /// <param name="options">Where models come from and go to; null for what the environment says.</param>
    /// <exception cref="ModelHubException">The environment names a token that is none.</exception>
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

    /// <summary>Where models come from and go to.</summary>
    public ModelHubOptions Options => _options;

    /// <summary>All models on this machine, also those whose pull was interrupted.</summary>
    public IReadOnlyList<LocalModel> List() => _store.List();

    /// <summary>The model of a name on this machine. Where there are several, the one pulled last.</summary>
    /// <param name="reference">The name.</param>
    /// <returns>The model, which is ready; null where there is none.</returns>
    public LocalModel? Find(ModelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        return _store.Find(reference).Where(model => model.State == LocalModelState.Ready).MaxBy(model => model.Changed);
    }

    /// <summary>Finds out what pulling a model takes. Reads its description, its small files and the headers of its weights.</summary>
    /// <param name="reference">The name.</param>
    /// <param name="options">How it is pulled; null for the usual.</param>
    /// <param name="progress">Told what is waited for.</param>
    /// <param name="cancellationToken">Breaks it off.</param>
    /// <exception cref="ModelHubException">The model cannot be pulled.</exception>
    /// <exception cref="UnsupportedModelException">It is of an architecture that cannot be exported; only config.json was read then.</exception>
    /// <exception cref="ModelLoadException">The checkpoint is damaged.</exception>
    public async Task<PullPlan> PlanAsync(ModelReference reference, PullOptions? options = null, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reference);
        PullReporter reporter = new(progress);
        using IDisposable waiting = Listen(reporter);
        return await CreatePlanner(reporter).PlanAsync(reference, options ?? new PullOptions(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Pulls a model. What an earlier pull has done is not done again.</summary>
    /// <param name="name">The name, as <see cref="ModelReference.Parse"/> reads it.</param>
    /// <param name="options">How it is pulled; null for the usual.</param>
    /// <param name="progress">Told how far it is, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Breaks it off; pulling it again goes on.</param>
    /// <inheritdoc cref="PullAsync(PullPlan, IProgress{PullProgress}, CancellationToken)"/>
    public async Task<LocalModel> PullAsync(string name, PullOptions? options = null, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default) =>
        await PullAsync(await PlanAsync(ModelReference.Parse(name), options, progress, cancellationToken).ConfigureAwait(false), progress, cancellationToken).ConfigureAwait(false);

    /// <summary>Pulls a model as planned. Two processes that pull the same do not disturb each other: one works, the other one waits.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="progress">Told how far it is, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Breaks it off; pulling it again goes on.</param>
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
    /// Reads the checkpoint of a model once more and compares the model with it. A model whose pull was interrupted no longer says that it is unverified then.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="progress">Told how far it is, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Breaks it off.</param>
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

    /// <summary>Removes a model from this machine, or what an interrupted pull has left of it.</summary>
    /// <param name="reference">The name; without a variant, all variants.</param>
    /// <returns>What was removed.</returns>
    /// <exception cref="ModelHubException">It is being pulled, or cannot be removed.</exception>
    public IReadOnlyList<LocalModel> Remove(ModelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        IReadOnlyList<LocalModel> models = [.. _store.Find(reference)];
        foreach (LocalModel model in models)
            ModelStore.Remove(model);
        return models;
    }

    /// <summary>Renews a model folder that another version of OnnxVlm wrote: the same commit of the same checkpoint is pulled again, and takes its place.</summary>
    /// <param name="folder">The model folder, here or elsewhere.</param>
    /// <param name="progress">Told how far it is, from several threads, one at a time.</param>
    /// <param name="cancellationToken">Breaks it off; the old folder stays until the new one is whole.</param>
    /// <returns>Whether there was something to renew.</returns>
    /// <exception cref="ModelHubException">The folder does not say which checkpoint it is of, or that cannot be pulled.</exception>
    public async Task<bool> UpgradeAsync(string folder, IProgress<PullProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (OutdatedFolder.Read(folder) is not OutdatedFolder old)
            return false;
        PullOptions options = new() { Precision = old.Variant.Precision, BlockSize = old.Variant.BlockSize, Device = old.Variant.Device, PullsAgain = true, Folder = Path.GetFullPath(folder) };
        PullPlan plan = await PlanAsync(old.Reference, options, progress, cancellationToken).ConfigureAwait(false);
        await PullAsync(plan, progress, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>The folder of a model on this machine; pulls it where <see cref="ModelHubOptions.PullsMissing"/> is set.</summary>
    /// <param name="model">The name.</param>
    /// <param name="cancellationToken">Breaks the pull off.</param>
    /// <exception cref="ArgumentException"><paramref name="model"/> is no name of a model.</exception>
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
        void Tell(string problem, TimeSpan delay) => reporter.Note(delay.TotalSeconds >= 1 ? $"{problem}: trying again in {delay.TotalSeconds:F0} s" : problem, isWaiting: true);
        _client.Waiting += Tell;
        return new Subscription(() => _client.Waiting -= Tell);
    }

    private sealed class Subscription(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
