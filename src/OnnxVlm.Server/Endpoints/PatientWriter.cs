namespace OnnxVlm.Server.Endpoints;

/// <summary>Writes to clients, and gives up one that takes nothing: what it holds, others wait for.</summary>
internal static class PatientWriter
{
    /// <summary>Writes bytes and waits until they are on their way.</summary>
    /// <param name="context">The request.</param>
    /// <param name="bytes">What is sent.</param>
    /// <param name="timeout">The longest it takes; then the connection is closed.</param>
    /// <param name="late">The time of the request is over: then it is closed too, if it still takes nothing.</param>
    /// <exception cref="OperationCanceledException">The client has hung up, or was given up.</exception>
    public static async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> bytes, TimeSpan timeout, CancellationToken late = default)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, late);
        deadline.CancelAfter(timeout);
        try
        {
            await context.Response.Body.WriteAsync(bytes, deadline.Token).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(deadline.Token).ConfigureAwait(false);
            // A pipe that is closed gives no error by itself.
            context.RequestAborted.ThrowIfCancellationRequested();
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
            throw;
        }
    }
}
