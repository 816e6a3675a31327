namespace OnnxVlm.Hub.Http;

/// <summary>Reads from the network with a limit on silence; HttpClient's own limit ends with the headers.</summary>
internal static class StallingRead
{
    /// <summary>Reads what has arrived.</summary>
    /// <returns>The bytes read; 0 at the end.</returns>
    /// <exception cref="TimeoutException">Nothing arrived in time.</exception>
    public static async ValueTask<int> ReadAsync(Stream body, Memory<byte> destination, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(patience);
        try
        {
            return await body.ReadAsync(destination, silence.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException("the connection is silent", exception);
        }
    }
}
