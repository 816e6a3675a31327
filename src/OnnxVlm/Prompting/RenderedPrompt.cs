namespace OnnxVlm.Prompting;

/// <summary>What a chat template makes of a conversation.</summary>
/// <param name="Text">The prompt, special tokens spelled out; an image stands as the template writes it, mostly one placeholder.</param>
/// <param name="FromTemplate">For each character of the text, whether the template wrote it; what is false came from a message or a tool, and can make no special token.</param>
public sealed record RenderedPrompt(string Text, ReadOnlyMemory<bool> FromTemplate);
