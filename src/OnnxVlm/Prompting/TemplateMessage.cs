namespace OnnxVlm.Prompting;

/// <summary>One message as the chat template sees it.</summary>
/// <param name="Role"><c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">The text that stands for the message's content.</param>
public sealed record TemplateMessage(string Role, string Content);
