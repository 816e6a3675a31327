using System.Text.Json;

namespace OnnxVlm.Prompting;

/// <summary>How a chat template is rendered: what Hugging Face's <c>apply_chat_template</c> takes beside messages and tools.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>Whether the beginning of the model's next turn is added. Default true.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>
    /// Whether the prompt ends inside the last message, so that the model goes on with it. Not together with <see cref="AddGenerationPrompt"/>. Default false.
    /// </summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Whether the model is to reason first (<c>enable_thinking</c>); null leaves it to the template.</summary>
    public bool? Reasons { get; init; }

    /// <summary>More variables for the template, by name; they win over those above and over the special tokens of the checkpoint. Null for none.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }
}
