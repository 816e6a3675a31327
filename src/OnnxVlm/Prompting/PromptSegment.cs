using OnnxVlm.Imaging;

namespace OnnxVlm.Prompting;

/// <summary>A part of a prompt: text, or one whole image.</summary>
/// <param name="TokenIds">The token ids.</param>
/// <param name="Image">The image whose patches replace the placeholders among <paramref name="TokenIds"/>; null for text.</param>
public sealed record PromptSegment(ReadOnlyMemory<int> TokenIds, PatchGrid? Image = null);
