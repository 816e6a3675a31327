using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>POST /tokenize and /detokenize, in the form that vLLM has.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="messages">Reads conversations.</param>
/// <param name="reader">Reads tools.</param>
/// <param name="answers">Gives turns: a conversation's images are decoded to count them.</param>
/// <param name="prompts">Builds prompts.</param>
internal sealed class TokensEndpoint(RequestReader requests, MessageReader messages, ChatRequestReader reader, AnswerService answers, PromptService prompts)
{
    public async Task<TokenizeResponse> TokenizeAsync(HttpContext context)
    {
        TokenizeRequest request = await requests.ReadAsync(context, WireJson.Relaxed.TokenizeRequest).ConfigureAwait(false);
        if (request.Prompt is null == request.Messages is null)
            throw ApiException.Invalid("prompt", "give a prompt or messages.");
        if (request.Prompt is not null && (request.Tools is not null || request.ReasoningEffort is not null))
            throw ApiException.Invalid(request.Tools is not null ? "tools" : "reasoning_effort", "goes with messages; leave it out.");
        ChatOptions options = reader.ReadTemplateOptions(request.Tools, request.ReasoningEffort);
        IReadOnlyList<ChatMessage>? conversation = request.Messages is null
            ? null
            : await messages.ReadAsync(request.Messages, ClientKey.ClientOf(context), context.RequestAborted).ConfigureAwait(false);
        using ModelTurn turn = await answers.EnterAsync(ChatRequestReader.RequiredModel(request.Model), context, context.RequestAborted).ConfigureAwait(false);
        VlmModel model = turn.Model;
        int[] tokens = await prompts.RunAsync(turn, context, cancellationToken => conversation is null
            ? TokensOf(model, request.Prompt!, cancellationToken)
            : new VlmChatClient(model).CreatePrompt(conversation, options, cancellationToken).ToTokenIds()).ConfigureAwait(false);
        return new TokenizeResponse(tokens.Length, model.Manifest.ContextLength, tokens);
    }

    public async Task<DetokenizeResponse> DetokenizeAsync(HttpContext context)
    {
        DetokenizeRequest request = await requests.ReadAsync(context, WireJson.Relaxed.DetokenizeRequest).ConfigureAwait(false);
        if (request.Tokens is null)
            throw ApiException.Invalid("tokens", "expected an array of token ids.");
        using ModelTurn turn = await answers.EnterAsync(ChatRequestReader.RequiredModel(request.Model), context, context.RequestAborted).ConfigureAwait(false);
        Vocabulary vocabulary = turn.Model.Vocabulary;
        int most = turn.Model.Manifest.ContextLength;
        if (request.Tokens.Count > most)
            throw ApiException.Invalid("tokens", $"at most {most} tokens, as many as the model's context holds, found {request.Tokens.Count}.");
        Dictionary<int, string> special = vocabulary.SpecialTokens.ToDictionary(text => vocabulary.FindSpecial(text)!.Value);
        List<byte> bytes = [];
        foreach (int token in request.Tokens)
        {
            if ((uint)token >= (uint)vocabulary.Size)
                throw ApiException.Invalid("tokens", $"{token} is outside the vocabulary of {vocabulary.Size} tokens.");
            bytes.AddRange(special.TryGetValue(token, out string? text) ? Encoding.UTF8.GetBytes(text) : vocabulary.BytesOf(token).Span);
        }
        return new DetokenizeResponse(Encoding.UTF8.GetString([.. bytes]));
    }

    private static int[] TokensOf(VlmModel model, string text, CancellationToken cancellationToken) =>
        text.Length == 0 ? [] : model.CreatePlainPrompt([new TextContent(text)], cancellationToken).ToTokenIds();
}
