using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Prompting;

/// <summary>How a prompt is built from a conversation.</summary>
public sealed record PromptOptions
{
    /// <summary>Whether the model should reason before it answers; null, the default, leaves it to the model's chat template.</summary>
    public bool? Reasons { get; init; }

    /// <summary>The functions that the template declares to the model. Default none.</summary>
    /// <remarks>A template without support for tools leaves them out: see <see cref="ChatTemplate.UsesTools"/>.</remarks>
    public IReadOnlyList<AIFunctionDeclaration> Tools { get; init; } = [];

    /// <summary>More variables for the chat template, by name: <see cref="ChatTemplateOptions.Variables"/>. Null, the default, for none.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }

    /// <summary>Whether the model continues the last message instead of beginning a new one. Default false.</summary>
    public bool ContinuesLastMessage { get; init; }
}
