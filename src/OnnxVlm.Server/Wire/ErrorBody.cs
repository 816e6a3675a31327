namespace OnnxVlm.Server.Wire;

/// <summary>Body of every error.</summary>
internal sealed record ErrorBody(ErrorDetail Error);

/// <summary>The error. All four keys are always present.</summary>
/// <param name="Message">One line: what is wrong and what to do.</param>
/// <param name="Type">The kind of error, for example <c>invalid_request_error</c>.</param>
/// <param name="Param">The field of the request, or null.</param>
/// <param name="Code">An identifier for programs, or null.</param>
internal sealed record ErrorDetail(string Message, string Type, string? Param, string? Code);
