using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Models;

/// <summary>Encodes a piece of text. Safe to use from several threads at once, each with a <see cref="Scratch"/> of its own.</summary>
internal interface ITokenModel
{
    /// <summary>The text of each token as the file spells it, by id; null for an id without one.</summary>
    IReadOnlyList<string?> Tokens { get; }

    /// <summary>The id of a token as the file spells it; null where there is none.</summary>
    int? Find(string token);

    /// <summary>Whether every byte has a token, so that no character is unknown.</summary>
    bool HasAllBytes { get; }

    /// <summary>Whether ordinary text can spell a token that is reserved for the template.</summary>
    bool SpellsReserved { get; }

    /// <summary>Adds the tokens of a piece.</summary>
    /// <param name="text">The piece; not empty, without halves of surrogate pairs.</param>
    /// <param name="trust">The characters that are from the template.</param>
    /// <param name="scratch">Working memory.</param>
    /// <param name="sink">Receives the tokens.</param>
    void Encode(ReadOnlySpan<char> text, Trust trust, Scratch scratch, TokenSink sink);
}
