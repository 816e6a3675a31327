using System.Text.Json;

namespace OnnxVlm.Prompting;

/// <summary>How a chat template is rendered: the arguments of Hugging Face's <c>apply_chat_template</c> besides messages and tools.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>Whether the beginning of the model's next turn is added. Default true.</summary>
    public bool AddGenerationPrompt { get; init; } = true;

    /// <summary>
    /// Whether the prompt ends inside the last message, so that the model continues it. Excludes <see cref="AddGenerationPrompt"/>. Default false.
    /// </summary>
    public bool ContinueFinalMessage { get; init; }

    /// <summary>Whether the model should reason first (<c>enable_thinking</c>); null leaves it to the template.</summary>
    public bool? Reasons { get; init; }

    /// <summary>More variables for the template, by name; they override those above and the special tokens of the checkpoint. Null for none.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Variables { get; init; }
}
