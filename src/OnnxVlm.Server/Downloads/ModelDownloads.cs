using System.Security.Cryptography;
using OnnxVlm.Hub;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;

namespace OnnxVlm.Server.Downloads;

/// <summary>
/// Pulls models from the hub while the service runs, one at a time. A client first sees what a model takes, and what it then starts is exactly
/// that. A model that is there joins the registered ones. Safe to use from several threads.
/// </summary>
/// <param name="hub">The hub; asked for only where downloads are allowed.</param>
/// <param name="models">The models that requests may name.</param>
/// <param name="logger">Told of downloads.</param>
internal sealed partial class ModelDownloads(Func<ModelHub> hub, ModelPool models, ILogger<ModelDownloads> logger) : IDisposable
{
    private const int MostPlans = 16;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _planning = new(1, 1);
    private readonly Lazy<ModelHub> _hub = new(hub);
    private readonly List<(string Id, string Key, PullPlan Plan)> _plans = [];
    private readonly CancellationTokenSource _stopping = new();
    private Download? _last;

    /// <summary>Finds out what a model takes.</summary>
    /// <param name="key">The API key of who asks.</param>
    /// <param name="name">The name, as on the hub.</param>
    /// <param name="cancellationToken">Breaks it off.</param>
    /// <exception cref="ApiException">There is no such model, it cannot be exported, or another one is being looked at.</exception>
    public async Task<DownloadPlan> PlanAsync(string key, string? name, CancellationToken cancellationToken)
    {
        if (name is not { Length: <= 200 } || !ModelReference.TryParse(name, out ModelReference? reference))
            throw ApiException.Invalid("model", "expected a name as on the hub: OWNER/NAME.");
        if (!await _planning.WaitAsync(0, cancellationToken).ConfigureAwait(false))
            throw Busy("Another model is being looked at; try again in a moment.");
        try
        {
            PullPlan plan = await _hub.Value.PlanAsync(reference, cancellationToken: cancellationToken).ConfigureAwait(false);
            string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
            lock (_lock)
            {
                if (_plans.Count == MostPlans)
                    _plans.RemoveAt(0);
                _plans.Add((id, key, plan));
            }
            return DownloadPlan.From(id, plan, isServed: models.Entries.Any(entry => entry.Name == plan.Reference.ToString()));
        }
        catch (VlmException e)
        {
            throw Failure(e);
        }
        finally
        {
            _planning.Release();
        }
    }

    /// <summary>Starts what was planned.</summary>
    /// <param name="key">The API key of who asks.</param>
    /// <param name="planId">The plan, which is used up.</param>
    /// <exception cref="ApiException">404: no such plan of this key. 409: another download runs. 507: the disk has no room.</exception>
    public DownloadStatus Start(string key, string? planId)
    {
        Download download;
        lock (_lock)
        {
            int index = _plans.FindIndex(plan => plan.Id == planId && plan.Key == key);
            if (index < 0)
                throw NotFound("plan: there is none of this id; ask for one (POST /v1/downloads/plan).", "plan", "plan_not_found");
            if (_last is { State: DownloadState.Running })
                throw Busy("Another model is being downloaded; wait until it is there.");
            PullPlan plan = _plans[index].Plan;
            if (!plan.FitsDisk)
            {
                string message = $"The disk has room for {plan.FreeDiskBytes} bytes, and the model takes {plan.DiskBytes}; make room.";
                throw new ApiException(StatusCodes.Status507InsufficientStorage, message, null, "disk_too_small");
            }
            _plans.RemoveAt(index);
            _last = download = new Download(key, plan, CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token));
        }
        _ = Task.Run(() => RunAsync(download), CancellationToken.None);
        return Status(key);
    }

    /// <summary>How far the last download is. What another key downloads is not told, only that something is.</summary>
    /// <param name="key">The API key of who asks.</param>
    public DownloadStatus Status(string key)
    {
        lock (_lock)
        {
            return _last is null || (_last.Key != key && _last.State != DownloadState.Running) ? new DownloadStatus(true, DownloadState.None)
                : _last.Key != key ? new DownloadStatus(true, DownloadState.Running)
                : new DownloadStatus(true, _last.State)
                {
                    Model = _last.Plan.Reference.ToString(),
                    BytesDone = _last.Progress?.BytesDone,
                    BytesTotal = _last.Progress?.BytesTotal,
                    Message = _last.Message,
                };
        }
    }

    /// <summary>Breaks off a download of this key; another one goes on where it was.</summary>
    /// <param name="key">The API key of who asks.</param>
    /// <exception cref="ApiException">404: no download of this key runs.</exception>
    public DownloadStatus Cancel(string key)
    {
        lock (_lock)
        {
            if (_last is not { State: DownloadState.Running } || _last.Key != key)
                throw NotFound("No download of yours runs.", null, "download_not_found");
            _last.Cancellation.Cancel();
        }
        return Status(key);
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
        _planning.Dispose();
        if (_hub.IsValueCreated)
            _hub.Value.Dispose();
    }

    private async Task RunAsync(Download download)
    {
        string name = download.Plan.Reference.ToString();
        LogStarted(name);
        try
        {
            LocalModel model = await _hub.Value.PullAsync(download.Plan, download, download.Cancellation.Token).ConfigureAwait(false);
            models.Add(new ModelOptions { Name = name, Folder = model.Folder });
            LogDone(name);
            End(DownloadState.Done, null);
        }
        catch (OperationCanceledException)
        {
            End(DownloadState.Cancelled, null);
        }
        catch (VlmException e)
        {
            LogFailed(e, name);
            End(DownloadState.Failed, Failure(e).Message);
        }
        catch (Exception e)
        {
            LogFailed(e, name);
            End(DownloadState.Failed, "The download failed; the server's log says why.");
        }

        void End(DownloadState state, string? message)
        {
            lock (_lock)
                (download.State, download.Message) = (state, message);
        }
    }

    // What the hub says may be told. Other errors name folders of this machine.
    private static ApiException Failure(VlmException e) => e switch
    {
        ModelHubException { Error: ModelHubError.NotFound or ModelHubError.RevisionNotFound } => NotFound(e.Message, "model", "model_not_found", e),
        ModelHubException
        {
            Error: ModelHubError.GatedWithoutToken or ModelHubError.GatedWithoutConsent or ModelHubError.RateLimited or ModelHubError.Unreachable or ModelHubError.Offline,
        } =>
            new ApiException(StatusCodes.Status502BadGateway, e.Message, "model", "hub_error", e),
        UnsupportedModelException => new ApiException(StatusCodes.Status400BadRequest, e.Message, "model", "unsupported_model", e),
        _ => new ApiException(StatusCodes.Status502BadGateway, "The model could not be downloaded; the server's log says why.", "model", "download_failed", e),
    };

    private static ApiException NotFound(string message, string? param, string code, Exception? cause = null) =>
        new(StatusCodes.Status404NotFound, message, param, code, cause);

    private static ApiException Busy(string message) => new(StatusCodes.Status409Conflict, message, null, "download_busy") { RetryAfterSeconds = 5 };

    [LoggerMessage(Level = LogLevel.Information, Message = "Downloading the model {Model}")]
    private partial void LogStarted(string model);

    [LoggerMessage(Level = LogLevel.Information, Message = "Downloaded the model {Model}")]
    private partial void LogDone(string model);

    [LoggerMessage(Level = LogLevel.Error, Message = "The model {Model} was not downloaded")]
    private partial void LogFailed(Exception exception, string model);

    private sealed class Download(string key, PullPlan plan, CancellationTokenSource cancellation) : IProgress<PullProgress>
    {
        private PullProgress? _progress;

        public string Key { get; } = key;

        public PullPlan Plan { get; } = plan;

        public CancellationTokenSource Cancellation { get; } = cancellation;

        public DownloadState State { get; set; } = DownloadState.Running;

        public string? Message { get; set; }

        public PullProgress? Progress => Volatile.Read(ref _progress);

        public void Report(PullProgress value)
        {
            if (value.BytesTotal > 0)
                Volatile.Write(ref _progress, value);
        }
    }
}
