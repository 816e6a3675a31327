using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Prompting;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Decisions;

/// <summary>POST /v1/decisions: how probable each of some answers is.</summary>
/// <param name="requests">Reads bodies.</param>
/// <param name="messages">Reads conversations.</param>
/// <param name="guidance">Checks choices.</param>
/// <param name="answers">Gives turns.</param>
/// <param name="prompts">Builds prompts.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class DecisionEndpoint(RequestReader requests, MessageReader messages, GuidanceReader guidance, AnswerService answers, PromptService prompts, ServerOptions limits)
{
    private const int MaxChoices = 128;

    public async Task<Decision> HandleAsync(HttpContext context)
    {
        DecisionRequest body = await requests.ReadAsync(context, WireJson.Relaxed.DecisionRequest).ConfigureAwait(false);
        string name = ChatRequestReader.RequiredModel(body.Model);
        string[] choices = guidance.CheckChoices("choices", body.Choices ?? []);
        if (choices.Length > MaxChoices || choices.Distinct(StringComparer.Ordinal).Count() < choices.Length)
            throw ApiException.Invalid("choices", $"expected up to {MaxChoices} texts, all different.");
        ChatOptions options = new() { AdditionalProperties = [] };
        ChatRequestReader.ReadTemplateVariables(body.ChatTemplateKwargs, options, limits);
        IReadOnlyList<ChatMessage> conversation = await messages.ReadAsync(body.Messages, ClientKey.ClientOf(context), context.RequestAborted).ConfigureAwait(false);
        using ModelTurn turn = await answers.EnterAsync(name, context, context.RequestAborted).ConfigureAwait(false);
        VlmModel model = turn.Model;
        // A choice is the answer itself, so that nothing is thought before it.
        if (model.Manifest.Reasoning is not null)
            (options.Reasoning ??= new ReasoningOptions()).Effort ??= ReasoningEffort.None;
        return await prompts.RunAsync(turn, context, async cancellationToken =>
        {
            Prompt prompt = new VlmChatClient(model).CreatePrompt(conversation, options, cancellationToken);
            var scored = await model.ChooseAsync(prompt, choices, turn.Scope, cancellationToken).ConfigureAwait(false);
            int tokens = scored.Sum(choice => choice.TokenCount);
            return new Decision(
                $"dec_{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), name, scored.MaxBy(choice => choice.Logprob)!.Text,
                [.. scored.Select(choice => new DecisionChoice(choice.Text, choice.Probability, choice.Logprob))], new DecisionUsage(prompt.TokenCount, tokens, prompt.TokenCount + tokens));
        }).ConfigureAwait(false);
    }
}
