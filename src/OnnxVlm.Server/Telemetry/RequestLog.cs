using System.Diagnostics;
using System.Text.RegularExpressions;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Reading;

namespace OnnxVlm.Server.Telemetry;

/// <summary>
/// Writes one log line for each request, with counts and codes but never with contents: messages of exceptions that may quote the contents are left
/// out. It also counts errors.
/// </summary>
/// <param name="logger">The log.</param>
/// <param name="metrics">Counts errors.</param>
internal sealed partial class RequestLog(ILogger<RequestLog> logger, ServerMetrics metrics)
{
    private const int MaxIgnored = 1000;

    private readonly HashSet<string> _ignored = [];

    /// <summary>Records a request that was answered.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">What was asked.</param>
    /// <param name="usage">Its tokens.</param>
    public void Answered(HttpContext context, AnswerRequest request, UsageCounter usage) =>
        LogAnswered(context.TraceIdentifier, request.Model, usage.Prompt, usage.Completion, usage.FinishReasons);

    /// <summary>Records a request that ended with an error.</summary>
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

    /// <summary>Records a request whose client did not wait for the answer.</summary>
    /// <param name="context">The request.</param>
    public void Abandoned(HttpContext context) => LogAbandoned(context.TraceIdentifier);

    /// <summary>Records an ignored field, once for each place, however many requests have it.</summary>
    /// <param name="path">Where it stands in the request.</param>
    public void Ignored(string path)
    {
        string place = ItemNumber().Replace(path, "[]");
        // A text that is not the name of a field may be something that a user wrote.
        if (!FieldPath().IsMatch(place))
            place = "(a name of other characters)";
        lock (_ignored)
        {
            if (_ignored.Count >= MaxIgnored || !_ignored.Add(place))
                return;
        }
        LogIgnored(place);
    }

    // Only the first line of the runtime's messages: later ones show its state, and with it what the model read. Images and fetches say
    // nothing about the content.
    private static string DetailOf(Exception? cause) => cause switch
    {
        PromptTooLongException => "",
        VlmException or HttpRequestException or IOException => cause.Message.Split('\n')[0],
        _ => "",
    };

    [GeneratedRegex(@"\[\d+\]")]
    private static partial Regex ItemNumber();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9_.\[\]]{0,119}\z")]
    private static partial Regex FieldPath();

    [LoggerMessage(Level = LogLevel.Warning, Message = "The field {Field} of requests is not known and is left out (UnknownFields = Ignore)")]
    private partial void LogIgnored(string field);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Request {RequestId} to {Model}: {PromptTokens} prompt tokens, {CompletionTokens} answer tokens, {FinishReasons}")]
    private partial void LogAnswered(string requestId, string model, long promptTokens, long completionTokens, string finishReasons);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId} failed with {Status} {Code} {Detail}")]
    private partial void LogFailed(Exception? exception, string requestId, int status, string? code, string detail);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} was refused with {Status} {Code} {Detail}")]
    private partial void LogRefused(string requestId, int status, string? code, string detail);

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} was given up by its client")]
    private partial void LogAbandoned(string requestId);
}
