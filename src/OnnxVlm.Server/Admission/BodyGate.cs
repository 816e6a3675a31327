using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Security;

namespace OnnxVlm.Server.Admission;

/// <summary>
/// Admits the bodies of requests. It limits how many are read at the same time and how many bytes of requests are under way, and gives each client no
/// more than its share of both. Slow or large bodies therefore delay only their own client, and the memory for bodies has a limit. It also limits the
/// number of requests under way: those that may run and wait, and those whose bodies are being read.
/// </summary>
/// <param name="options">The service's limits.</param>
internal sealed class BodyGate(ServerOptions options) : IMiddleware
{
    private const int MaxReading = 64;
    private const int MaxReadingOfClient = 16;

    private readonly ClientGate _reading = new(MaxReading, MaxReadingOfClient, options.MaxRunning + options.MaxWaiting);
    private readonly ClientGate _bytes = new(
        Math.Max(options.MaxBodyBytesUnderWay, options.MaxBodyBytes),
        Math.Max(options.MaxBodyBytesUnderWay / 2, options.MaxBodyBytes),
        options.MaxRunning + options.MaxWaiting);
    private int _underWay;

    /// <summary>Requests under way now.</summary>
    public int UnderWay => Volatile.Read(ref _underWay);

    /// <summary>Requests whose bodies wait to be read.</summary>
    public int Waiting => _reading.Waiting;

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (!HttpMethods.IsPost(context.Request.Method))
        {
            await next(context).ConfigureAwait(false);
            return;
        }
        // Checked before room is made for it: Kestrel looks at the length only when the body is read.
        if (context.Request.ContentLength > options.MaxBodyBytes)
            throw new BadHttpRequestException("The body is too large.", StatusCodes.Status413PayloadTooLarge);
        string client = ClientKey.ClientOf(context);
        using ClientGate.Pass reading = await _reading.EnterAsync(client, 1, options.QueueTimeout, context.RequestAborted).ConfigureAwait(false);
        // A body without a length takes more room as it arrives.
        long room = Math.Max(context.Request.ContentLength ?? 0, BodyReader.StepBytes);
        using ClientGate.Pass bytes = await _bytes.EnterAsync(client, room, options.QueueTimeout, context.RequestAborted).ConfigureAwait(false);
        try
        {
            if (Interlocked.Increment(ref _underWay) > options.MaxRunning + options.MaxWaiting + MaxReading)
            {
                throw new ApiException(StatusCodes.Status429TooManyRequests, "Too many requests are under way; try again later.", null, "queue_full")
                {
                    RetryAfterSeconds = 1,
                };
            }
            context.Features.Set(new BodyReader(context, reading, bytes, options.BodyTimeout));
            await next(context).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }
}
