using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>A step that rewrites a text before it is cut. Has no state that changes.</summary>
internal interface INormalizer
{
    AlignedText Normalize(AlignedText text);
}
