namespace OnnxVlm.Runtime;

/// <summary>
/// A loaded model that predicts the next token. It separates the generation loop from the native runtime: tests put a scripted decoder here. Safe to
/// use from several threads; each sequence is used by one at a time.
/// </summary>
internal interface IDecoder : IDisposable
{
    /// <summary>Width of the logits.</summary>
    int VocabularySize { get; }

    /// <summary>The most tokens of one sequence.</summary>
    int ContextLength { get; }

    /// <summary>
    /// Whether a sequence accepts several tokens more than once. DirectML does not: there a prompt is read in one piece and then one token at a time,
    /// and the next turn is read from its beginning.
    /// </summary>
    bool CanAppend { get; }

    /// <summary>Whether a sequence can be rewound to any position; otherwise only to its beginning.</summary>
    bool CanRewind { get; }

    /// <summary>Whether a sequence can begin as a copy of another one: <see cref="IDecoderSequence.CopyFrom"/>.</summary>
    bool CanFork { get; }

    /// <summary>Whether an image may be read in pieces, as text is.</summary>
    bool SplitsImages { get; }

    /// <summary>The most tokens of a piece of a prompt, unless one image needs more.</summary>
    int ChunkTokens { get; }

    /// <summary>The most simultaneous sequences that the cache of past answers may rely on.</summary>
    int MaxSequences { get; }

    /// <summary>Whether a sequence can be rewound to any place, so that <see cref="IDecoderSequence.Restorable"/> need not be called.</summary>
    bool RestoresAnywhere => StateBytes == 0;

    /// <summary>Memory of the key-value cache per token; layers with a window need it for the last tokens only.</summary>
    long CacheBytesPerToken { get; }

    /// <summary>Memory of a sequence, without states that are saved in between.</summary>
    /// <param name="tokens">Its tokens.</param>
    long BytesFor(int tokens) => (tokens * CacheBytesPerToken) + StateBytes;

    /// <summary>Memory of a sequence's state in recurrent layers, whatever its length; 0 for a model without such layers.</summary>
    long StateBytes => 0;

    /// <summary>The part of the memory budget that is reserved for states saved in between.</summary>
    long SavedStateBytes => 0;

    /// <summary>Whether the state after a token is worth saving: the token ends a turn, so a later prompt may continue from there.</summary>
    /// <param name="tokenId">The token.</param>
    bool SavesStateAfter(int tokenId) => false;

    /// <summary>The token that stands for a patch of an image.</summary>
    int PlaceholderTokenId { get; }

    /// <summary>The most patches that an image can have.</summary>
    int MaxPatchesPerImage { get; }

    /// <summary>Where the model runs, resolved: never <see cref="Device.Auto"/>.</summary>
    Device Device { get; }

    /// <summary>Starts an empty sequence.</summary>
    /// <param name="options">Its size.</param>
    /// <returns>The sequence; the caller disposes it before the decoder.</returns>
    IDecoderSequence CreateSequence(SequenceOptions options);
}

/// <summary>The properties of a sequence that are known before it is read.</summary>
/// <param name="MaxLength">The most tokens, prompt and answer together.</param>
/// <param name="PatchCapacity">The most patches of one piece of a prompt.</param>
internal sealed record SequenceOptions(int MaxLength, int PatchCapacity);

/// <summary>One conversation in the key-value cache.</summary>
internal interface IDecoderSequence : IDisposable
{
    /// <summary>The most tokens that it has room for.</summary>
    int MaxLength { get; }

    /// <summary>The most patches of one piece.</summary>
    int PatchCapacity { get; }

    /// <summary>Number of tokens that the model has read.</summary>
    int Length { get; }

    /// <summary>The memory that it occupies, in bytes.</summary>
    long SizeBytes { get; }

    /// <summary>The logits of the next token, float [vocabulary]. The caller may change them; they are valid until the next call of another member.</summary>
    /// <exception cref="InvalidOperationException">Nothing was read since the start or the last rewind, or not to its end.</exception>
    Span<float> Logits { get; }

    /// <summary>Reads pieces of a prompt, one after the other. One call at a time.</summary>
    /// <param name="chunks">The pieces, at least one.</param>
    /// <param name="progress">Called after each piece except the last, when <see cref="Length"/> has grown; it must return at once. Null for none.</param>
    /// <param name="cancellationToken">Ends the reading after the piece that runs; a piece that nobody else waits for is broken off.</param>
    /// <returns>Done when <see cref="Logits"/> are there. What was read before a failure stays read, unless <see cref="Length"/> says otherwise.</returns>
    /// <exception cref="ArgumentException">There are more or fewer placeholders than patches.</exception>
    /// <exception cref="VlmException">There is no room for the tokens, or the runtime failed.</exception>
    Task ReadAsync(IReadOnlyList<PrefillChunk> chunks, Action? progress, CancellationToken cancellationToken);

    /// <summary>
    /// The longest beginning that the sequence can be rewound to, or that another one can start as. This is any length, except for models with
    /// recurrent layers, which have a state only at some places, and models with windows, whose caches no longer have the first tokens.
    /// </summary>
    /// <param name="length">The most tokens, at most its length.</param>
    /// <returns>Number of tokens, at most as many.</returns>
    int Restorable(int length) => length;

    /// <summary>Starts as a copy of another sequence. Only if <see cref="IDecoder.CanFork"/>, and before anything is read.</summary>
    /// <param name="source">A sequence of the same decoder.</param>
    /// <param name="length">Tokens to copy, at most its length; as many as are <see cref="Restorable"/> are copied.</param>
    void CopyFrom(IDecoderSequence source, int length);

    /// <summary>
    /// Forgets the tokens from a position on. If that position is not <see cref="Restorable"/>, it forgets more, back to the longest length that is:
    /// look at <see cref="Length"/> afterwards. There are no logits then until more is read. Not while it reads.
    /// </summary>
    /// <param name="length">The most tokens to keep.</param>
    /// <exception cref="ArgumentException">The position is inside an image that is not read in pieces.</exception>
    void RewindTo(int length);

    /// <summary>Says that nothing more will be read for a while, so that nobody waits for it.</summary>
    void Pause();
}

/// <summary>A grammar, and the state of one answer in it. Used by one thread at a time.</summary>
internal interface IGrammar : IDisposable
{
    /// <summary>Chooses the next token: the best that the grammar allows.</summary>
    /// <param name="scores">float [vocabulary]; may be changed.</param>
    /// <returns>The token, which is now part of the answer.</returns>
    /// <exception cref="ArgumentException">The grammar turns out to be too much at this place.</exception>
    int Choose(Span<float> scores);
}
