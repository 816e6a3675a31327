using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server;

/// <summary>
/// A request that ends with an error that the client may read. Details for the operator only are in the inner exception, which goes to the log.
/// </summary>
/// <param name="status">HTTP status.</param>
/// <param name="message">One line: what is wrong and what to do; nothing about the inside of the service.</param>
/// <param name="param">The field of the request, or null.</param>
/// <param name="code">An identifier for programs, or null.</param>
/// <param name="innerException">The cause, for the log.</param>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    public int Status { get; } = status;

    public string? Param { get; } = param;

    public string? Code { get; } = code;

    /// <summary>When the client may try again, in seconds: the header <c>Retry-After</c>.</summary>
    public int? RetryAfterSeconds { get; init; }

    /// <summary>The error in the form for the client.</summary>
    public ErrorBody Body => new(new ErrorDetail(Message, TypeOf(Status), Param, Code));

    /// <summary>A mistake in the request: status 400.</summary>
    /// <param name="param">The field.</param>
    /// <param name="message">What is wrong and what to do.</param>
    /// <param name="code">An identifier for programs, or null.</param>
    public static ApiException Invalid(string? param, string message, string? code = null) =>
        new(StatusCodes.Status400BadRequest, param is null ? message : $"{param}: {message}", param, code);

    /// <summary>A body of another media type: status 415.</summary>
    public static ApiException NotJson() =>
        new(
            StatusCodes.Status415UnsupportedMediaType,
            "The body must be JSON; send it with Content-Type: application/json (curl: -H 'Content-Type: application/json', or --json in place of -d).",
            null,
            "unsupported_media_type");

    /// <summary>Converts an exception that occurred while a request was answered.</summary>
    /// <param name="exception">The exception.</param>
    public static ApiException From(Exception exception) => exception switch
    {
        ApiException api => api,
        PromptTooLongException => new(StatusCodes.Status400BadRequest, exception.Message, "messages", "context_length_exceeded", exception),
        Prompting.ChatTemplateException => new(
            StatusCodes.Status400BadRequest,
            $"The model's chat template refuses the conversation: {exception.Message}",
            "messages",
            "template_error",
            exception),
        // The header has passed the service's own checks, so the fault is in the file's data: the detail goes to the log only.
        InvalidImageException => new(
            StatusCodes.Status400BadRequest,
            "An image could not be decoded; send it again as a plain PNG or JPEG file.",
            "messages",
            "invalid_image",
            exception),
        BadHttpRequestException bad => FromKestrel(bad),
        ObjectDisposedException => new(StatusCodes.Status503ServiceUnavailable, "The service is stopping; ask again later.", null, "stopping", exception)
        {
            RetryAfterSeconds = 5,
        },
        _ => new(
            StatusCodes.Status500InternalServerError,
            "The answer could not be generated; the server's log says why, under the request's x-request-id.",
            null,
            "internal_error",
            exception),
    };

    private static ApiException FromKestrel(BadHttpRequestException exception) => exception.StatusCode switch
    {
        StatusCodes.Status413PayloadTooLarge => new(413, "The request body is too large; send fewer or smaller images.", null, "request_too_large", exception),
        StatusCodes.Status408RequestTimeout => new(408, "The request body came too slowly.", null, "timeout", exception),
        int status => new(status, "The request is not valid HTTP.", null, null, exception),
    };

    private static string TypeOf(int status) => status switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error",
        StatusCodes.Status403Forbidden => "permission_error",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };
}
