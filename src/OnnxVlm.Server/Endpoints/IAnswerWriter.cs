namespace OnnxVlm.Server.Endpoints;

/// <summary>How a wire writes an answer while it comes. One object for one request, used by one thread at a time.</summary>
internal interface IAnswerWriter
{
    /// <summary>The media type of the stream.</summary>
    string MediaType => "text/event-stream";

    /// <summary>What keeps a silent connection open.</summary>
    ReadOnlyMemory<byte> KeepAlive => ": keep-alive\n\n"u8.ToArray();

    /// <summary>What an update adds to the stream.</summary>
    /// <param name="update">The update.</param>
    /// <returns>Pieces of the stream; none where it adds nothing.</returns>
    IEnumerable<byte[]> Write(AnswerUpdate update);

    /// <summary>The end of a stream that went well.</summary>
    /// <param name="usage">Tokens of the request.</param>
    IEnumerable<byte[]> Finish(UsageCounter usage);

    /// <summary>The end of a stream that did not.</summary>
    /// <param name="error">What went wrong.</param>
    IEnumerable<byte[]> Fail(ApiException error);
}
