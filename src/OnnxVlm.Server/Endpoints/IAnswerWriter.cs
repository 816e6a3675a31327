namespace OnnxVlm.Server.Endpoints;

/// <summary>Writes an answer in the form of one wire while it is generated. One object serves one request and is used by one thread at a time.</summary>
internal interface IAnswerWriter
{
    /// <summary>The media type of the stream.</summary>
    string MediaType => "text/event-stream";

    /// <summary>The data that keeps a silent connection open.</summary>
    ReadOnlyMemory<byte> KeepAlive => ": keep-alive\n\n"u8.ToArray();

    /// <summary>What an update adds to the stream.</summary>
    /// <param name="update">The update.</param>
    /// <returns>Pieces of the stream; none where it adds nothing.</returns>
    IEnumerable<byte[]> Write(AnswerUpdate update);

    /// <summary>The end of a successful stream.</summary>
    /// <param name="usage">Tokens of the request.</param>
    IEnumerable<byte[]> Finish(UsageCounter usage);

    /// <summary>The end of a failed stream.</summary>
    /// <param name="error">What went wrong.</param>
    IEnumerable<byte[]> Fail(ApiException error);
}
