using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>A response of server-sent events: <c>data: {json}</c>, comment lines while nothing comes, and <c>data: [DONE]</c> at the end. Headers go out with the first line.</summary>
/// <param name="response">The response.</param>
/// <param name="keepAlive">How long it is silent before a comment comes.</param>
/// <param name="sendTimeout">The longest that a line takes to be taken; then the connection is closed.</param>
/// <param name="late">The time of the request is over.</param>
internal sealed class EventStream(HttpResponse response, TimeSpan keepAlive, TimeSpan sendTimeout, CancellationToken late)
{
    private static readonly byte[] Data = "data: "u8.ToArray();
    private static readonly byte[] End = "\n\n"u8.ToArray();

    /// <summary>Waits for what comes next, and sends comments meanwhile.</summary>
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
            await SendAsync(": keep-alive\n\n"u8.ToArray(), late).ConfigureAwait(false);
        }
    }

    /// <summary>Sends an event.</summary>
    /// <typeparam name="T">Its form.</typeparam>
    /// <param name="value">What it says.</param>
    /// <param name="form">How it is written.</param>
    public Task SendAsync<T>(T value, JsonTypeInfo<T> form) => SendAsync(Line(value, form), late);

    /// <summary>Ends a stream that went well.</summary>
    public Task SendDoneAsync() => SendAsync("data: [DONE]\n\n"u8.ToArray(), late);

    /// <summary>Ends a stream that did not.</summary>
    /// <param name="error">What went wrong.</param>
    public Task SendErrorAsync(ApiException error) => SendAsync(Line(error.Body, WireJson.Relaxed.ErrorBody), CancellationToken.None);

    private static byte[] Line<T>(T value, JsonTypeInfo<T> form) => [.. Data, .. JsonSerializer.SerializeToUtf8Bytes(value, form), .. End];

    private async Task SendAsync(byte[] line, CancellationToken end)
    {
        if (!response.HasStarted)
        {
            response.ContentType = "text/event-stream";
            // nginx would else gather events.
            response.Headers["X-Accel-Buffering"] = "no";
        }
        await PatientWriter.WriteAsync(response.HttpContext, line, sendTimeout, end).ConfigureAwait(false);
    }
}
