namespace OnnxVlm.Server.Endpoints;

/// <summary>A response that is sent piece by piece, with keep-alive data during pauses. Headers are sent with the first piece.</summary>
/// <param name="response">The response.</param>
/// <param name="keepAlive">How long a pause lasts before keep-alive data is sent.</param>
/// <param name="sendTimeout">The longest time until the client accepts a piece; then the connection is closed.</param>
/// <param name="late">The time of the request is up.</param>
/// <param name="mediaType">Its media type.</param>
/// <param name="filler">The keep-alive data.</param>
internal sealed class EventStream(
    HttpResponse response, TimeSpan keepAlive, TimeSpan sendTimeout, CancellationToken late, string mediaType = "text/event-stream",
    ReadOnlyMemory<byte> filler = default)
{
    /// <summary>Waits for the next result, and keeps the connection open meanwhile.</summary>
    /// <typeparam name="T">Type of the result.</typeparam>
    /// <param name="next">The task to wait for.</param>
    /// <returns>What came.</returns>
    public async Task<T> WaitAsync<T>(Task<T> next)
    {
        while (true)
        {
            // A timeout proves nothing: the task may have completed at the same moment.
            await ((Task)next).WaitAsync(keepAlive).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (next.IsCompleted)
                return await next.ConfigureAwait(false);
            await SendAsync(filler, late).ConfigureAwait(false);
        }
    }

    /// <summary>Sends a piece.</summary>
    /// <param name="piece">The bytes.</param>
    public Task SendAsync(byte[] piece) => SendAsync(piece, late);

    /// <summary>Sends a piece even if the time of the request is up: the error.</summary>
    /// <param name="piece">The bytes.</param>
    public Task SendLastAsync(byte[] piece) => SendAsync(piece, CancellationToken.None);

    private async Task SendAsync(ReadOnlyMemory<byte> piece, CancellationToken end)
    {
        if (!response.HasStarted)
        {
            response.ContentType = mediaType;
            // Otherwise nginx would buffer events.
            response.Headers["X-Accel-Buffering"] = "no";
        }
        await PatientWriter.WriteAsync(response.HttpContext, piece, sendTimeout, end).ConfigureAwait(false);
    }
}
