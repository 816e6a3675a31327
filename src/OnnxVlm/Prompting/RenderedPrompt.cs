namespace OnnxVlm.Prompting;

/// <summary>A conversation rendered by a chat template.</summary>
/// <param name="Text">The prompt, with special tokens spelled out. An image appears as the template writes it, usually as one placeholder.</param>
/// <param name="FromTemplate">For each character of the text, whether the template wrote it. False means that it came from a message or a tool, and
/// cannot be part of a special token.</param>
public sealed record RenderedPrompt(string Text, ReadOnlyMemory<bool> FromTemplate);
