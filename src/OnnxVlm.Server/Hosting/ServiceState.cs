using Microsoft.Extensions.Hosting;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Hosting;

/// <summary>
/// Loads models before the service listens, so that a damaged one is noticed at the start: in their order, all that fit into the memory budget. When
/// the service stops, waiting requests are turned away and running ones may finish.
/// </summary>
/// <param name="models">The models.</param>
/// <param name="queue">The queue.</param>
/// <param name="options">The memory budget.</param>
/// <param name="lifetime">Signals the end.</param>
internal sealed class ServiceState(ModelPool models, AdmissionQueue queue, ServerOptions options, IHostApplicationLifetime lifetime) : IHostedService
{
    private volatile string _status = "loading";

    /// <summary><c>loading</c>, <c>ok</c> or <c>stopping</c>.</summary>
    public HealthStatus Status => new(_status);

    /// <summary>Whether requests are answered.</summary>
    public bool IsReady => _status == "ok";

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        lifetime.ApplicationStopping.Register(() =>
        {
            _status = "stopping";
            queue.Close();
        });
        long left = options.MemoryBudgetBytes == 0 ? long.MaxValue : options.MemoryBudgetBytes;
        foreach (ModelEntry entry in models.Entries)
        {
            left -= entry.SizeBytes;
            if (left < 0)
                break;
            try
            {
                (await models.RentAsync(entry, cancellationToken).ConfigureAwait(false)).Dispose();
            }
            catch (ApiException e) when (e.InnerException is VlmException cause)
            {
                // The person who starts the service may know what a client may not.
                throw new ModelLoadException(cause.Message, cause);
            }
        }
        _status = "ok";
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
