using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Ollama;

/// <summary>Ollama's addresses: POST /api/chat and /api/generate, whole or in pieces, and what tells of the models.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="reader">Reads requests.</param>
/// <param name="answers">Loads models.</param>
/// <param name="whole">Sends answers that are whole.</param>
/// <param name="stream">Sends them as they come.</param>
/// <param name="models">The models.</param>
internal sealed class OllamaEndpoint(
    RequestReader requests, OllamaReader reader, AnswerService answers, WholeAnswer whole, AnswerStream stream, ModelPool models)
{
    public async Task ChatAsync(HttpContext context)
    {
        OllamaChatRequest body = await requests.ReadAsync(context, WireJson.Relaxed.OllamaChatRequest).ConfigureAwait(false);
        if (body.Messages is not { Count: > 0 })
            await LoadAsync(context, body, isChat: true).ConfigureAwait(false);
        else
            await AnswerAsync(context, body, reader.Read(body, ClientKey.ClientOf(context)), isChat: true).ConfigureAwait(false);
    }

    public async Task GenerateAsync(HttpContext context)
    {
        OllamaGenerateRequest body = await requests.ReadAsync(context, WireJson.Relaxed.OllamaGenerateRequest).ConfigureAwait(false);
        if (string.IsNullOrEmpty(body.Prompt) && body.Images is not { Count: > 0 })
            await LoadAsync(context, body, isChat: false).ConfigureAwait(false);
        else
            await AnswerAsync(context, body, reader.Read(body with { Prompt = body.Prompt ?? "" }, ClientKey.ClientOf(context)), isChat: false)
                .ConfigureAwait(false);
    }

    public OllamaTags Tags() => new(
        [.. models.Entries.Select(entry => new OllamaModel(entry.Name, entry.Name, ModifiedAt(entry), entry.FileBytes, DigestOf(entry), DetailsOf(entry)))]);

    public async Task<OllamaShow> ShowAsync(HttpContext context)
    {
        OllamaShowRequest body = await requests.ReadAsync(context, WireJson.Relaxed.OllamaShowRequest).ConfigureAwait(false);
        ModelEntry entry = reader.Find(body.Model ?? body.Name);
        ChatTemplate? template = ChatTemplate.TryLoad(entry.Options.Folder);
        Dictionary<string, JsonElement> info = new()
        {
            ["general.architecture"] = Text(entry.Architecture),
            [$"{entry.Architecture}.context_length"] = JsonElement.Parse(entry.ContextLength.ToString(CultureInfo.InvariantCulture)),
        };
        string[] capabilities = ["completion", "vision", "tools", .. entry.CanReason ? ["thinking"] : Array.Empty<string>()];
        return new OllamaShow(template?.Source ?? "",
            string.Create(CultureInfo.InvariantCulture, $"temperature {entry.Sampling.Temperature}\ntop_k {entry.Sampling.TopK}\ntop_p {entry.Sampling.TopP}"),
            DetailsOf(entry), info, capabilities, ModifiedAt(entry));
    }

    private async Task AnswerAsync(HttpContext context, OllamaRequest body, AnswerRequest request, bool isChat)
    {
        OllamaAnswer answer = new(body.Model!, isChat);
        if (body.Stream != false)
        {
            await stream.SendAsync(context, request, answer).ConfigureAwait(false);
            return;
        }
        UsageCounter usage = await whole.CollectAsync(context, request, answer.Add).ConfigureAwait(false);
        await whole.SendAsync(context, answer.ToWhole(usage), WireJson.Relaxed.OllamaBody).ConfigureAwait(false);
    }

    // A request that asks nothing loads the model.
    private async Task LoadAsync(HttpContext context, OllamaRequest body, bool isChat)
    {
        ModelEntry entry = reader.Find(body.Model);
        (await answers.EnterAsync(entry.Name, context, context.RequestAborted).ConfigureAwait(false)).Dispose();
        OllamaBody loaded = new(body.Model!, OllamaAnswer.Now)
        {
            Message = isChat ? new OllamaReply("") : null,
            Response = isChat ? null : "",
            Done = true,
            DoneReason = "load",
        };
        await whole.SendAsync(context, loaded, WireJson.Relaxed.OllamaBody).ConfigureAwait(false);
    }

    private static OllamaDetails DetailsOf(ModelEntry entry) => new(entry.Architecture, [entry.Architecture], entry.Precision);

    private static string ModifiedAt(ModelEntry entry) =>
        DateTimeOffset.FromUnixTimeSeconds(entry.Created).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string DigestOf(ModelEntry entry) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{entry.Name} {entry.Revision}")));

    private static JsonElement Text(string text) => JsonSerializer.SerializeToElement(text, WireJson.Relaxed.String);
}
