using System.Text.Json;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Wires.Decisions;

/// <summary>Body of POST /v1/decisions: a question, and the answers that it may have.</summary>
internal sealed record DecisionRequest
{
    /// <summary>Name of a registered model. Required.</summary>
    public string? Model { get; init; }

    /// <summary>The conversation, as in a chat completion. Required.</summary>
    public IReadOnlyList<RequestMessage?>? Messages { get; init; }

    /// <summary>The answers, up to 128, all different. Required.</summary>
    public IReadOnlyList<string?>? Choices { get; init; }

    /// <inheritdoc cref="ChatCompletionRequest.ChatTemplateKwargs"/>
    public JsonElement ChatTemplateKwargs { get; init; }

    /// <summary>Accepted, and nothing is done with it.</summary>
    public string? User { get; init; }
}

/// <summary>Answer of POST /v1/decisions.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Created">When, Unix seconds.</param>
/// <param name="Model">The model.</param>
/// <param name="Choice">The most probable choice.</param>
/// <param name="Choices">All choices in the order of the request.</param>
/// <param name="Usage">Tokens of the prompt, and of all choices together.</param>
internal sealed record Decision(string Id, long Created, string Model, string Choice, IReadOnlyList<DecisionChoice> Choices, DecisionUsage Usage)
{
    public string Object { get; } = "decision";
}

/// <summary>A choice.</summary>
/// <param name="Choice">Its text.</param>
/// <param name="Probability">Its share; those of all choices sum to 1.</param>
/// <param name="Logprob">Natural logarithm of the probability that the model answers with it and ends there.</param>
internal sealed record DecisionChoice(string Choice, double Probability, double Logprob);

/// <summary>Tokens that were read.</summary>
internal sealed record DecisionUsage(int PromptTokens, int ChoiceTokens, int TotalTokens);
