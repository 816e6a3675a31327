using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Models;

/// <summary>
/// The registered models. A model is loaded on its first request and stays until its memory is needed for another one and nobody uses it; the least
/// recently used model goes first. Requests name models, never folders. Safe to use from several threads.
/// </summary>
internal sealed partial class ModelPool : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _loading = new(1, 1);
    private readonly IModelLoader _loader;
    private readonly ServerOptions _options;
    private readonly ILogger _logger;
    private TaskCompletionSource _givenBack = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _uses;
    private bool _disposed;

    /// <summary>Registers the models; none is loaded yet.</summary>
    /// <param name="options">The models, and the memory that they may use.</param>
    /// <param name="loader">Loads them.</param>
    /// <param name="logger">Records loads and unloads.</param>
    /// <exception cref="ModelLoadException">A folder is missing or damaged, or a model alone is over the budget.</exception>
    public ModelPool(ServerOptions options, IModelLoader loader, ILogger<ModelPool> logger)
    {
        (_options, _loader, _logger) = (options, loader, logger);
        Entries = [.. options.Models.Select(model => new ModelEntry(model, options))];
        foreach (ModelEntry entry in Entries)
            RequireBudget(entry);
    }

    /// <summary>All models, in the order in which they were registered.</summary>
    public IReadOnlyList<ModelEntry> Entries { get; private set; }

    /// <summary>Registers a model that came while the service runs; one of its name stays as it is.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="ModelLoadException">The folder is damaged, or the model alone is over the budget.</exception>
    public void Add(ModelOptions model)
    {
        ModelEntry entry = new(model, _options);
        RequireBudget(entry);
        lock (_lock)
        {
            if (Entries.All(other => other.Name != entry.Name))
                Entries = [.. Entries, entry];
        }
    }

    /// <summary>Number of models in memory.</summary>
    public int LoadedCount
    {
        get
        {
            lock (_lock)
                return Entries.Count(entry => entry.Loaded is not null);
        }
    }

    /// <summary>Finds a model.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="ApiException">404: there is none of this name.</exception>
    public ModelEntry Find(string name) => Entries.FirstOrDefault(entry => entry.Name == name)
        ?? throw new ApiException(StatusCodes.Status404NotFound, "There is no model of this name; /v1/models lists them.", "model", "model_not_found");

    /// <summary>Whether a model is in memory.</summary>
    /// <param name="entry">The model.</param>
    public bool IsLoaded(ModelEntry entry)
    {
        lock (_lock)
            return entry.Loaded is not null;
    }

    /// <summary>Uses a model, and loads it if necessary.</summary>
    /// <param name="entry">The model.</param>
    /// <param name="cancellationToken">Ends the waiting with <see cref="OperationCanceledException"/>; a load that has begun goes on.</param>
    /// <returns>The use; disposing it ends it.</returns>
    /// <exception cref="ApiException">503: the model does not load, or the memory is in use by others.</exception>
    public async Task<ModelLease> RentAsync(ModelEntry entry, CancellationToken cancellationToken)
    {
        if (TryRent(entry) is { } lease)
            return lease;
        await _loading.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (TryRent(entry) is { } loadedMeanwhile)
                return loadedMeanwhile;
            await MakeRoomAsync(entry, cancellationToken).ConfigureAwait(false);
            LoadedModel loaded = await Task.Run(() => _loader.Load(entry.Options), CancellationToken.None).ConfigureAwait(false);
            lock (_lock)
            {
                if (_disposed)
                {
                    loaded.Dispose();
                    throw new ObjectDisposedException(nameof(ModelPool));
                }
                entry.Loaded = loaded;
            }
            LogLoaded(entry.Name);
            return TryRent(entry)!;
        }
        catch (VlmException e)
        {
            throw new ApiException(
                StatusCodes.Status503ServiceUnavailable, "The model could not be loaded; the server's log says why.", "model", "model_load_failed", e);
        }
        finally
        {
            _loading.Release();
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (ModelEntry entry in Entries)
            {
                entry.Loaded?.Dispose();
                entry.Loaded = null;
            }
        }
    }

    private void RequireBudget(ModelEntry entry)
    {
        if (_options.MemoryBudgetBytes > 0 && entry.SizeBytes > _options.MemoryBudgetBytes)
        {
            throw new ModelLoadException(
                $"The model \"{entry.Name}\" takes {entry.SizeBytes} bytes with its cache, "
                + $"and the memory budget is {_options.MemoryBudgetBytes}; raise MemoryBudgetBytes or lower its CacheBytes.");
        }
    }

    private ModelLease? TryRent(ModelEntry entry)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (entry.Loaded is null)
                return null;
            entry.Users++;
            return new ModelLease(entry, entry.Loaded.Client, () => GiveBack(entry));
        }
    }

    private void GiveBack(ModelEntry entry)
    {
        lock (_lock)
        {
            entry.Users--;
            entry.LastUse = ++_uses;
            _givenBack.SetResult();
            _givenBack = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    // Called by one load at a time.
    private async Task MakeRoomAsync(ModelEntry entry, CancellationToken cancellationToken)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(_options.QueueTimeout);
        while (_options.MemoryBudgetBytes > 0)
        {
            Task givenBack;
            lock (_lock)
            {
                long used = Entries.Where(other => other.Loaded is not null).Sum(other => other.SizeBytes);
                if (used + entry.SizeBytes <= _options.MemoryBudgetBytes)
                    return;
                if (Entries.Where(other => other is { Loaded: not null, Users: 0 }).MinBy(other => other.LastUse) is { } idle)
                {
                    idle.Loaded!.Dispose();
                    idle.Loaded = null;
                    LogUnloaded(idle.Name);
                    continue;
                }
                givenBack = _givenBack.Task;
            }
            try
            {
                await givenBack.WaitAsync(patience.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ApiException(
                    StatusCodes.Status503ServiceUnavailable,
                    "The memory for this model is in use by other models; try again later.",
                    "model",
                    "model_busy",
                    e) { RetryAfterSeconds = 10 };
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Loaded the model {Model}")]
    private partial void LogLoaded(string model);

    [LoggerMessage(Level = LogLevel.Information, Message = "Unloaded the model {Model} to make room")]
    private partial void LogUnloaded(string model);
}
