using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Admission;

/// <summary>
/// Bounds the requests whose bodies are in memory: as many as may run and wait, and a few that are still being read. Without it, clients that send large bodies slowly would
/// fill the memory before the queue ever sees them.
/// </summary>
/// <param name="options">How many run and wait.</param>
internal sealed class InFlightLimit(ServerOptions options) : IMiddleware
{
    private const int MaxReading = 32;

    private int _inFlight;

    /// <summary>Requests under way now.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (!HttpMethods.IsPost(context.Request.Method))
        {
            await next(context).ConfigureAwait(false);
            return;
        }
        try
        {
            if (Interlocked.Increment(ref _inFlight) > options.MaxRunning + options.MaxWaiting + MaxReading)
                throw new ApiException(StatusCodes.Status429TooManyRequests, "Too many requests are under way; try again later.", null, "queue_full") { RetryAfterSeconds = 1 };
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _inFlight);
        }
    }
}
