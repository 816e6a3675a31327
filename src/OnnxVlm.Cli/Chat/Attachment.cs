using Microsoft.Extensions.AI;

namespace OnnxVlm.Cli.Chat;

/// <summary>An image file of a message, read once.</summary>
/// <param name="Path">The full path.</param>
/// <param name="Content">The file's bytes.</param>
internal sealed record Attachment(string Path, DataContent Content);
