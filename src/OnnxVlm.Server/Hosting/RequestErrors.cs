using System.Diagnostics;
using System.Globalization;
using OnnxVlm.Server.Telemetry;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Hosting;

/// <summary>
/// The outermost middleware: gives each request an id, turns exceptions and bare status codes into OpenAI's error bodies, and writes one log line for what went wrong,
/// without anything that the client sent.
/// </summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="metrics">Counts errors.</param>
/// <param name="logger">The log.</param>
internal sealed partial class RequestErrors(RequestDelegate next, ServerMetrics metrics, ILogger<RequestErrors> logger)
{
    private const string IdHeader = "x-request-id";

    public async Task InvokeAsync(HttpContext context)
    {
        context.TraceIdentifier = IdOf(context.Request.Headers[IdHeader]);
        context.Response.Headers[IdHeader] = context.TraceIdentifier;
        Activity.Current?.SetTag("request.id", context.TraceIdentifier);
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
                await RefuseAsync(context, OfStatus(context.Response.StatusCode)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to be told.
            LogGone(context.TraceIdentifier);
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, ApiException.From(e)).ConfigureAwait(false);
        }
    }

    private Task RefuseAsync(HttpContext context, ApiException error)
    {
        metrics.Refused(error);
        // The message of an InvalidImageException or of the runtime says what the client is not told; the message of a refused request may quote it, and stays out.
        if (error.Status >= 500)
            LogFailed(error.InnerException, context.TraceIdentifier, error.Status, error.Code);
        else
            LogRefused(context.TraceIdentifier, error.Status, error.Code, error.InnerException is InvalidImageException or HttpRequestException ? error.InnerException.Message : "");

        context.Response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        if (error.Status == StatusCodes.Status401Unauthorized)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        return context.Response.WriteAsJsonAsync(error.Body, WireJson.Relaxed.ErrorBody, null, context.RequestAborted);
    }

    // An id of the client is taken over if it can do no harm in a log or a header.
    private static string IdOf(string? given) =>
        given is { Length: > 0 and <= 64 } && given.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? given : $"req_{Guid.NewGuid():N}";

    private static ApiException OfStatus(int status) => status switch
    {
        StatusCodes.Status404NotFound => new(status, "There is nothing at this address; /openapi/v1.json lists what there is.", null, "not_found"),
        StatusCodes.Status405MethodNotAllowed => new(status, "This address does not take this HTTP method.", null, "method_not_allowed"),
        _ => new(status, "The request was refused."),
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId} failed with {Status} {Code}")]
    private partial void LogFailed(Exception? exception, string requestId, int status, string? code);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} was refused with {Status} {Code} {Detail}")]
    private partial void LogRefused(string requestId, int status, string? code, string detail);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} was given up by its client")]
    private partial void LogGone(string requestId);
}
