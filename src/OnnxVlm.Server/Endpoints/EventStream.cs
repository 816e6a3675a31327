namespace OnnxVlm.Server.Endpoints;

/// <summary>A response that is sent piece by piece, with something in between while nothing comes. Headers go out with the first piece.</summary>
/// <param name="response">The response.</param>
/// <param name="keepAlive">How long it is silent before that.</param>
/// <param name="sendTimeout">The longest that a piece takes to be taken; then the connection is closed.</param>
/// <param name="late">The time of the request is over.</param>
/// <param name="mediaType">Its media type.</param>
/// <param name="filler">What is sent while nothing comes.</param>
internal sealed class EventStream(
    HttpResponse response, TimeSpan keepAlive, TimeSpan sendTimeout, CancellationToken late, string mediaType = "text/event-stream", ReadOnlyMemory<byte> filler = default)
{
    /// <summary>Waits for what comes next, and keeps the connection open meanwhile.</summary>
    /// <typeparam name="T">What comes.</typeparam>
    /// <param name="next">What is waited for.</param>
    /// <returns>What came.</returns>
    public async Task<T> WaitAsync<T>(Task<T> next)
    {
        while (true)
        {
            // Time that has run out says nothing: what is waited for may have come at the same moment.
            await ((Task)next).WaitAsync(keepAlive).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (next.IsCompleted)
                return await next.ConfigureAwait(false);
            await SendAsync(filler, late).ConfigureAwait(false);
        }
    }

    /// <summary>Sends a piece.</summary>
    /// <param name="piece">The bytes.</param>
    public Task SendAsync(byte[] piece) => SendAsync(piece, late);

    /// <summary>Sends a piece though the time of the request may be over: what went wrong.</summary>
    /// <param name="piece">The bytes.</param>
    public Task SendLastAsync(byte[] piece) => SendAsync(piece, CancellationToken.None);

    private async Task SendAsync(ReadOnlyMemory<byte> piece, CancellationToken end)
    {
        if (!response.HasStarted)
        {
            response.ContentType = mediaType;
            // nginx would else gather events.
            response.Headers["X-Accel-Buffering"] = "no";
        }
        await PatientWriter.WriteAsync(response.HttpContext, piece, sendTimeout, end).ConfigureAwait(false);
    }
}
