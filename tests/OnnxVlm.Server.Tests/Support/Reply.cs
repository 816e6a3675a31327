using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace OnnxVlm.Server.Tests.Support;

/// <summary>A response of the service.</summary>
/// <param name="Status">Its status.</param>
/// <param name="Headers">Its headers.</param>
/// <param name="Text">Its body.</param>
internal sealed record Reply(HttpStatusCode Status, HttpResponseHeaders Headers, string Text)
{
    /// <summary>The body as JSON.</summary>
    public JsonElement Json => JsonElement.Parse(Text);

    public JsonElement Error => Json.GetProperty("error");

    public string? ErrorCode => Error.GetProperty("code").GetString();

    public string? ErrorParam => Error.GetProperty("param").GetString();

    /// <summary>The first answer's message.</summary>
    public JsonElement Message => Json.GetProperty("choices")[0].GetProperty("message");

    /// <summary>The first answer's text.</summary>
    public string? Content => Message.GetProperty("content").GetString();

    public string? FinishReason => Json.GetProperty("choices")[0].GetProperty("finish_reason").GetString();

    /// <summary>The lines of a stream that begin with <c>data:</c>, without that.</summary>
    public string[] Events => [.. Text.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => line[6..])];

    /// <summary>The events as JSON, without the last one, <c>[DONE]</c>.</summary>
    public JsonElement[] Chunks => [.. Events.Where(data => data != "[DONE]").Select(data => JsonElement.Parse(data))];

    /// <summary>The text of a streamed answer.</summary>
    /// <param name="index">Number of the answer.</param>
    public string StreamedText(int index = 0) => string.Concat(Chunks
        .SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray())
        .Where(choice => choice.GetProperty("index").GetInt32() == index)
        .Select(choice => choice.TryGetProperty("text", out JsonElement plain) ? plain.GetString() : choice.GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : ""));

    public static async Task<Reply> ReadAsync(HttpResponseMessage response) => new(response.StatusCode, response.Headers, await response.Content.ReadAsStringAsync());
}
