using System.Diagnostics;
using OnnxVlm.Server.Reading;

namespace OnnxVlm.Server.Endpoints;

/// <summary>One log line for each request that ran, with counts and never with what was said.</summary>
/// <param name="logger">The log.</param>
internal sealed partial class AnswerLog(ILogger<AnswerLog> logger)
{
    /// <summary>Notes a request that was answered.</summary>
    /// <param name="context">The request.</param>
    /// <param name="request">What was asked.</param>
    /// <param name="usage">Its tokens.</param>
    public void Answered(HttpContext context, AnswerRequest request, UsageCounter usage) =>
        LogAnswered(context.TraceIdentifier, request.Model, usage.Prompt, usage.Completion, usage.FinishReasons);

    /// <summary>Notes a request that failed after its answer had begun.</summary>
    /// <param name="context">The request.</param>
    /// <param name="error">What went wrong.</param>
    public void Failed(HttpContext context, ApiException error)
    {
        Activity.Current?.SetStatus(ActivityStatusCode.Error, error.Code);
        LogFailed(error.InnerException ?? error, context.TraceIdentifier, error.Status, error.Code);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Request {RequestId} to {Model}: {PromptTokens} prompt tokens, {CompletionTokens} answer tokens, {FinishReasons}")]
    private partial void LogAnswered(string requestId, string model, long promptTokens, long completionTokens, string finishReasons);

    [LoggerMessage(Level = LogLevel.Error, Message = "Request {RequestId} failed in the middle of its answer with {Status} {Code}")]
    private partial void LogFailed(Exception exception, string requestId, int status, string? code);
}
