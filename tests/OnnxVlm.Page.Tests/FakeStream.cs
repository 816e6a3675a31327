using System.Text;
using System.Text.Json.Nodes;

namespace OnnxVlm.Page.Tests;

/// <summary>The stream of a made-up answer, as the API would send it.</summary>
internal static class FakeStream
{
    public static string Of(params FakeToken[] tokens)
    {
        StringBuilder stream = new(": a comment keeps the connection open\n\n");
        Append(stream, Chunk(new JsonObject { ["role"] = "assistant", ["content"] = "" }));
        foreach (FakeToken token in tokens)
        {
            if (token.IsThought)
            {
                Append(stream, Chunk(new JsonObject { ["reasoning_content"] = token.Text }));
                continue;
            }
            JsonObject logprob = Logprob(token.Text, token.Probability);
            logprob["top_logprobs"] = new JsonArray([Logprob(token.Text, token.Probability), .. token.Alternatives.Select(other => Logprob(other.Text, other.Probability))]);
            Append(stream, Chunk(new JsonObject { ["content"] = token.Text }, new JsonObject { ["content"] = new JsonArray(logprob), ["refusal"] = null }));
        }
        Append(stream, Chunk([], finishReason: "stop"));
        return stream.Append("data: [DONE]\n\n").ToString();
    }

    private static void Append(StringBuilder stream, JsonObject chunk) => stream.Append("data: ").Append(chunk.ToJsonString()).Append("\n\n");

    private static JsonObject Chunk(JsonObject delta, JsonObject? logprobs = null, string? finishReason = null) => new()
    {
        ["id"] = "chatcmpl-1",
        ["object"] = "chat.completion.chunk",
        ["created"] = 1,
        ["model"] = "nano",
        ["choices"] = new JsonArray(new JsonObject { ["index"] = 0, ["delta"] = delta, ["logprobs"] = logprobs, ["finish_reason"] = finishReason }),
        ["usage"] = null,
    };

    private static JsonObject Logprob(string text, double probability) => new()
    {
        ["token"] = text,
        ["logprob"] = Math.Log(probability),
        ["bytes"] = new JsonArray([.. Encoding.UTF8.GetBytes(text).Select(value => (JsonNode)(int)value)]),
    };
}
