namespace OnnxVlm.Server.Reading;

/// <summary>The library's error about a request, as one line for the client.</summary>
internal static class AnswerMessage
{
    /// <summary>The message without the parts for programmers.</summary>
    /// <param name="exception">The refusal.</param>
    public static string Of(ArgumentException exception)
    {
        string message = ArgumentMessage.WithoutParameter(exception.Message)
            .ReplaceLineEndings(" ").Replace("AdditionalProperties: ", "", StringComparison.Ordinal);
        return message.Length > 400 ? message[..400] + "…" : message;
    }
}
