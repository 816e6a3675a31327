namespace OnnxVlm.Server.Admission;

/// <summary>Reads the body of a request that <see cref="BodyGate"/> has let in, once.</summary>
/// <param name="context">The request.</param>
/// <param name="reading">Its turn to read, which ends with the body.</param>
/// <param name="bytes">Its room, which it keeps until the request is answered.</param>
/// <param name="timeout">The longest time for a body.</param>
internal sealed class BodyReader(HttpContext context, ClientGate.Pass reading, ClientGate.Pass bytes, TimeSpan timeout)
{
    /// <summary>The room for the shortest body; the room of a body without a length grows by this amount.</summary>
    public const int StepBytes = 64 << 10;

    /// <summary>Reads the body to its end.</summary>
    /// <returns>The bytes.</returns>
    /// <exception cref="ApiException">400: it is not HTTP. 408: it took too long. 429: there is no room for more of a body without a length.</exception>
    public async Task<byte[]> ReadAsync()
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        deadline.CancelAfter(timeout);
        try
        {
            return await ReadToEndAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (!context.RequestAborted.IsCancellationRequested)
        {
            // The rest of the body is not waited for.
            context.Response.Headers.Connection = "close";
            throw new ApiException(
                StatusCodes.Status408RequestTimeout, $"The request body took longer than {timeout.TotalSeconds:F0} s; send a smaller one.", null, "timeout", e);
        }
        catch (IOException e) when (e is not BadHttpRequestException && !context.RequestAborted.IsCancellationRequested)
        {
            // Chunks of absurd sizes, which Kestrel does not report as bad requests.
            context.Response.Headers.Connection = "close";
            throw new ApiException(StatusCodes.Status400BadRequest, "The request body is not valid HTTP.", null, null, e);
        }
        finally
        {
            reading.Dispose();
        }
    }

    private async Task<byte[]> ReadToEndAsync(CancellationToken cancellationToken)
    {
        byte[] body = new byte[context.Request.ContentLength ?? StepBytes];
        int length = 0;
        while (true)
        {
            if (length == body.Length)
            {
                // One more byte shows whether the body has the length that it declares; Kestrel enforces that.
                if (context.Request.ContentLength is not null)
                    return body;
                int more = Math.Max(StepBytes, body.Length / 2);
                if (!bytes.TryGrow(more))
                {
                    throw new ApiException(
                        StatusCodes.Status429TooManyRequests,
                        "Too many bodies are under way for one without a Content-Length to grow; send the length, or try again later.",
                        null,
                        "queue_full") { RetryAfterSeconds = 1 };
                }
                Array.Resize(ref body, body.Length + more);
            }
            int count = await context.Request.Body.ReadAsync(body.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (count == 0)
                return length == body.Length ? body : body[..length];
            length += count;
        }
    }
}
