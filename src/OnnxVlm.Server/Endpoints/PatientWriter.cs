namespace OnnxVlm.Server.Endpoints;

/// <summary>Writes to clients, and gives up on a client that accepts nothing, because others wait for the resources that it holds.</summary>
internal static class PatientWriter
{
    /// <summary>Writes bytes and waits until they are on their way.</summary>
    /// <param name="context">The request.</param>
    /// <param name="bytes">What is sent.</param>
    /// <param name="timeout">The longest time; then the connection is closed.</param>
    /// <param name="late">The time of the request is up: the connection is then closed too, if the client still accepts nothing.</param>
    /// <exception cref="OperationCanceledException">The client has hung up, or was given up.</exception>
    public static async Task WriteAsync(HttpContext context, ReadOnlyMemory<byte> bytes, TimeSpan timeout, CancellationToken late = default)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, late);
        deadline.CancelAfter(timeout);
        try
        {
            await context.Response.Body.WriteAsync(bytes, deadline.Token).ConfigureAwait(false);
            await context.Response.Body.FlushAsync(deadline.Token).ConfigureAwait(false);
            // A closed pipe gives no error by itself.
            context.RequestAborted.ThrowIfCancellationRequested();
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            context.Abort();
            throw;
        }
    }
}
