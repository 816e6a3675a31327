using System.Diagnostics;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Reading;

namespace OnnxVlm.Server.Telemetry;

/// <summary>
/// One log line for each request, with counts and codes and never with what was said: messages of exceptions that may quote it stay out. Errors are counted too.
/// </summary>
/// <param name="logger">The log.</param>
/// <param name="metrics">Counts errors.</param>
internal sealed partial class RequestLog(ILogger<RequestLog> logger, ServerMetrics metrics)
{
    /// <summary>Notes a request that was answered.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">What was asked.</param>
    /// <param name="usage">Its tokens.</param>
    public void Answered(HttpContext context, AnswerRequest request, UsageCounter usage) =>
        LogAnswered(context.TraceIdentifier, request.Model, usage.Prompt, usage.Completion, usage.FinishReasons);

    /// <summary>Notes a request that ended with an error.</summary>
    /// <param name="context">The request.</param>
    /// <param name="error">The error.</param>
    public void Failed(HttpContext context, ApiException error)
    {
        metrics.Refused(error);
        Activity.Current?.SetStatus(ActivityStatusCode.Error, error.Code);
        string detail = DetailOf(error.InnerException);
        if (error.Status < 500)
            LogRefused(context.TraceIdentifier, error.Status, error.Code, detail);
        else
            LogFailed(error.InnerException is VlmException ? null : error.InnerException, context.TraceIdentifier, error.Status, error.Code, detail);
    }

    /// <summary>Notes a request whose client did not wait for the answer.</summary>
    /// <param name="context">The request.</param>
    public void Abandoned(HttpContext context) => LogAbandoned(context.TraceIdentifier);

    // Of the runtime's messages the first line: later ones show its state, and with it what the model read. Images and fetches say nothing of the content.
    private static string DetailOf(Exception? cause) => cause switch
    {
        PromptTooLongException => "",
        VlmException or HttpRequestException or IOException => cause.Message.Split('\n')[0],
        _ => "",
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} to {Model}: {PromptTokens} prompt tokens, {CompletionTokens} answer tokens, {FinishReasons}")]
    private partial void LogAnswered(string requestId, string model, long promptTokens, long completionTokens, string finishReasons);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId} failed with {Status} {Code} {Detail}")]
    private partial void LogFailed(Exception? exception, string requestId, int status, string? code, string detail);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} was refused with {Status} {Code} {Detail}")]
    private partial void LogRefused(string requestId, int status, string? code, string detail);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} was given up by its client")]
    private partial void LogAbandoned(string requestId);
}
