namespace OnnxVlm.Export.Architectures;

/// <summary>How an architecture is prompted, for checkpoints that do not say it in a chat template.</summary>
/// <param name="ChatTemplate">The template, in Jinja.</param>
/// <param name="Tokens">Tokens of the vocabulary that the template spells out; they become special tokens, so that they are never split.</param>
internal sealed record PromptForm(string ChatTemplate, params string[] Tokens)
{
    /// <summary>Whether the form also takes the place of a template that the checkpoint has: one of the model it was made from. Default false.</summary>
    public bool ReplacesTemplate { get; init; }
}
