using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>A step that rewrites a text before it is split. Immutable.</summary>
internal interface INormalizer
{
    AlignedText Normalize(AlignedText text);

    /// <summary>The most characters (UTF-16 code units) that can become one; null where there is no limit.</summary>
    int? MostCharactersToOne { get; }
}
