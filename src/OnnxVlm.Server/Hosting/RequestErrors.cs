using System.Globalization;
using OnnxVlm.Server.Telemetry;
using OnnxVlm.Server.Wires;

namespace OnnxVlm.Server.Hosting;

/// <summary>The outermost middleware: gives each request an id, and turns exceptions and bare status codes into OpenAI's error bodies.</summary>
/// <param name="next">The rest of the pipeline.</param>
/// <param name="log">Records errors.</param>
internal sealed class RequestErrors(RequestDelegate next, RequestLog log)
{
    private const string IdHeader = "x-request-id";

    public async Task InvokeAsync(HttpContext context)
    {
        context.TraceIdentifier = IdOf(context.Request.Headers[IdHeader]);
        context.Response.Headers[IdHeader] = context.TraceIdentifier;
        // The same under Anthropic's name.
        context.Response.Headers["request-id"] = context.TraceIdentifier;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        // The page's files set another value themselves.
        context.Response.Headers.CacheControl = "no-store";
        try
        {
            await next(context).ConfigureAwait(false);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentType: null })
                await RefuseAsync(context, OfStatus(context.Response.StatusCode)).ConfigureAwait(false);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // There is no client left to answer.
            log.Abandoned(context);
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            await RefuseAsync(context, ApiException.From(e)).ConfigureAwait(false);
        }
    }

    private Task RefuseAsync(HttpContext context, ApiException error)
    {
        log.Failed(context, error);
        context.Response.StatusCode = error.Status;
        if (error.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        if (error.Status == StatusCodes.Status401Unauthorized)
            context.Response.Headers.WWWAuthenticate = "Bearer";
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.Body.WriteAsync(ErrorForm.Write(context, error), context.RequestAborted).AsTask();
    }

    // A client's id is used if it can do no harm in a log or a header.
    private static string IdOf(string? given) =>
        given is { Length: > 0 and <= 64 } && given.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? given : $"req_{Guid.NewGuid():N}";

    private static ApiException OfStatus(int status) => status switch
    {
        StatusCodes.Status404NotFound => new(status, "There is nothing at this address; /openapi/v1.json lists what there is.", null, "not_found"),
        StatusCodes.Status405MethodNotAllowed => new(status, "This address does not take this HTTP method.", null, "method_not_allowed"),
        StatusCodes.Status415UnsupportedMediaType => ApiException.NotJson(),
        _ => new(status, "The request was refused."),
    };
}
