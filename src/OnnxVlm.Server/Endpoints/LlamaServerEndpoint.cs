using OnnxVlm.Prompting;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>
/// Addresses of llama.cpp's server that its clients use besides answers: /props, /slots, /apply-template and /v1/chat/completions/input_tokens.
/// </summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="reader">Reads conversations.</param>
/// <param name="prompts">Builds prompts.</param>
/// <param name="models">The models.</param>
/// <param name="queue">Running requests.</param>
/// <param name="options">The service's options.</param>
internal sealed class LlamaServerEndpoint(
    RequestReader requests, ChatRequestReader reader, PromptService prompts, ModelPool models, AdmissionQueue queue, ServerOptions options)
{
    public async Task<InputTokens> CountAsync(HttpContext context) => new((await BuildAsync(context).ConfigureAwait(false)).TokenCount);

    public async Task<AppliedTemplate> ApplyTemplateAsync(HttpContext context) => new((await BuildAsync(context).ConfigureAwait(false)).Text!);

    /// <summary>What a model is and how it is sampled.</summary>
    /// <param name="name">The model; null for the first.</param>
    /// <exception cref="ApiException">404: there is none of this name.</exception>
    public ModelProperties Properties(string? name)
    {
        ModelEntry entry = name is null ? models.Entries[0] : models.Find(name);
        ModelSampling sampling = entry.Sampling;
        return new ModelProperties(
            new GenerationSettings(
                entry.ContextLength,
                new SettingParameters(
                    sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP, sampling.RepetitionPenalty, options.DefaultMaxTokens)),
            options.MaxRunning, entry.Name, entry.Name, new Modalities(Vision: true, Audio: false), ChatTemplate.TryLoad(entry.Options.Folder)?.Source ?? "");
    }

    /// <summary>The places for answers. It does not reveal whose answers run and what they say.</summary>
    /// <param name="name">The model whose context is reported; null for the first.</param>
    /// <exception cref="ApiException">404: there is none of this name.</exception>
    public Slot[] Slots(string? name)
    {
        int running = queue.Running, context = (name is null ? models.Entries[0] : models.Find(name)).ContextLength;
        return [.. Enumerable.Range(0, options.MaxRunning).Select(i => new Slot(i, context, IsProcessing: i < running))];
    }

    private async Task<Prompt> BuildAsync(HttpContext context)
    {
        ChatCompletionRequest body = await requests.ReadAsync(context, WireJson.Relaxed.ChatCompletionRequest).ConfigureAwait(false);
        // That server has one model, and its clients name none.
        body = body with { Model = body.Model ?? models.Entries[0].Name };
        return await prompts.BuildAsync(
            context, await reader.ReadAsync(body, ClientKey.ClientOf(context), context.RequestAborted).ConfigureAwait(false)).ConfigureAwait(false);
    }
}
