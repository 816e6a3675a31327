using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Endpoints;

/// <summary>POST /tokenize and /detokenize, in the form that vLLM has.</summary>
/// <param name="messages">Reads conversations.</param>
/// <param name="reader">Reads tools.</param>
/// <param name="answers">Gives turns: a conversation's images are decoded to count them.</param>
internal sealed class TokensEndpoint(MessageReader messages, ChatRequestReader reader, AnswerService answers)
{
    public async Task<TokenizeResponse> TokenizeAsync(HttpContext context)
    {
        TokenizeRequest request = await RequestBody.ReadAsync(context, WireJson.Relaxed.TokenizeRequest).ConfigureAwait(false);
        RequestBody.RefuseUnknown(request.Unknown);
        if (request.Prompt is null == request.Messages is null)
            throw ApiException.Invalid("prompt", "give a prompt or messages.");
        if (request.Prompt is not null && (request.Tools is not null || request.ReasoningEffort is not null))
            throw ApiException.Invalid(request.Tools is not null ? "tools" : "reasoning_effort", "goes with messages; leave it out.");
        ChatOptions options = reader.ReadTemplateOptions(request.Tools, request.ReasoningEffort);
        IReadOnlyList<ChatMessage>? conversation = request.Messages is null ? null : await messages.ReadAsync(request.Messages, context.RequestAborted).ConfigureAwait(false);
        using ModelTurn turn = await answers.EnterAsync(ChatRequestReader.RequiredModel(request.Model), context, context.RequestAborted).ConfigureAwait(false);
        VlmModel model = turn.Model;
        int[] tokens = await Task.Run(() => conversation is null ? model.Tokenizer.EncodeAsText(request.Prompt!) : TokensOf(model, conversation, options, context.RequestAborted), context.RequestAborted).ConfigureAwait(false);
        return new TokenizeResponse(tokens.Length, model.Manifest.ContextLength, tokens);
    }

    public async Task<DetokenizeResponse> DetokenizeAsync(HttpContext context)
    {
        DetokenizeRequest request = await RequestBody.ReadAsync(context, WireJson.Relaxed.DetokenizeRequest).ConfigureAwait(false);
        RequestBody.RefuseUnknown(request.Unknown);
        if (request.Tokens is null)
            throw ApiException.Invalid("tokens", "expected an array of token ids.");
        using ModelTurn turn = await answers.EnterAsync(ChatRequestReader.RequiredModel(request.Model), context, context.RequestAborted).ConfigureAwait(false);
        Vocabulary vocabulary = turn.Model.Vocabulary;
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

    private static int[] TokensOf(VlmModel model, IReadOnlyList<ChatMessage> conversation, ChatOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return new VlmChatClient(model).CreatePrompt(conversation, options, cancellationToken).ToTokenIds();
        }
        catch (ArgumentException e)
        {
            throw AnswerService.Refused(e);
        }
    }
}
