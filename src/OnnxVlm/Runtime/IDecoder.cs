using OnnxVlm.Imaging;

namespace OnnxVlm.Runtime;

/// <summary>
/// A loaded model that predicts the next token. The seam between the generation loop and the native runtime: tests put a scripted decoder here.
/// Safe to use from several threads; each sequence belongs to one thread at a time.
/// </summary>
internal interface IDecoder : IDisposable
{
    /// <summary>Width of the logits.</summary>
    int VocabularySize { get; }

    /// <summary>The most tokens of one sequence.</summary>
    int ContextLength { get; }

    /// <summary>Whether a sequence takes tokens more than once. DirectML does not: there a sequence is prefilled in one piece, and a next turn afresh.</summary>
    bool CanAppend { get; }

    /// <summary>Memory of the key-value cache for one token.</summary>
    long CacheBytesPerToken { get; }

    /// <summary>The most patches that an image can have.</summary>
    int MaxPatchesPerImage { get; }

    /// <summary>Where the model runs, resolved: never <see cref="Device.Auto"/>.</summary>
    Device Device { get; }

    /// <summary>Starts an empty sequence.</summary>
    /// <param name="options">Its size and its grammar.</param>
    /// <returns>The sequence; the caller disposes it before the decoder.</returns>
    IDecoderSequence CreateSequence(SequenceOptions options);
}

/// <summary>What is fixed for the life of a sequence.</summary>
/// <param name="MaxLength">The most tokens, prompt and answer together; the key-value cache is allocated for this many.</param>
/// <param name="PatchCapacity">The most patches that one <see cref="IDecoderSequence.Append"/> brings.</param>
/// <param name="Guidance">The grammar that the answer follows, or null.</param>
internal sealed record SequenceOptions(int MaxLength, int PatchCapacity, Generation.Guidance? Guidance = null);

/// <summary>One conversation in the key-value cache.</summary>
internal interface IDecoderSequence : IDisposable
{
    /// <summary>Number of tokens in the sequence.</summary>
    int Length { get; }

    /// <summary>Number of tokens that the model has read: all, or all but the one that <see cref="Advance()"/> took last.</summary>
    int ReadLength { get; }

    /// <summary>Reads tokens, and the images whose placeholders are among them. An image is never split over two calls.</summary>
    /// <param name="tokenIds">int32 [n], at least one.</param>
    /// <param name="images">The images, in the order of their placeholders.</param>
    /// <exception cref="ArgumentException">There are more or fewer placeholders than patches.</exception>
    /// <exception cref="VlmException">There is no room for the tokens; or the runtime failed, and the sequence is empty.</exception>
    void Append(ReadOnlySpan<int> tokenIds, IReadOnlyList<PatchGrid> images);

    /// <summary>Copies the logits for the next token.</summary>
    /// <param name="logits">float [vocabulary].</param>
    void CopyLogits(Span<float> logits);

    /// <summary>Takes the token with the highest logit that the grammar allows.</summary>
    /// <returns>The token. An end token is returned, but is not part of the sequence.</returns>
    int Advance();

    /// <summary>Takes the token with the highest score that the grammar allows.</summary>
    /// <param name="scores">float [vocabulary], in place of the logits.</param>
    /// <returns>The token. An end token is returned, but is not part of the sequence.</returns>
    int Advance(ReadOnlySpan<float> scores);

    /// <summary>Makes the running call, and every later one, fail soon. The only member that another thread may call meanwhile.</summary>
    void Interrupt();

    /// <summary>Forgets the tokens from a position on. There are no logits then until more is appended.</summary>
    /// <param name="length">Number of tokens to keep.</param>
    /// <exception cref="ArgumentException">The position is inside an image.</exception>
    void RewindTo(int length);
}
