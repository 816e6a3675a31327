using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Generation;

/// <summary>
/// A prompt cut into pieces that the model reads one after the other. Text may be cut anywhere; an image only where its attention is causal.
/// </summary>
internal static class PrefillPlan
{
    /// <summary>After this many tokens without the end of a turn, a state is worth saving, if the model has recurrent layers.</summary>
    private const int TokensBetweenStates = 1024;

    /// <summary>Cuts a prompt.</summary>
    /// <param name="decoder">The model on its device; it determines the size of a piece, and whether images are cut.</param>
    /// <param name="segments">Text and images.</param>
    /// <param name="start">Tokens at the beginning that are skipped; not inside an image that cannot be cut.</param>
    /// <returns>The pieces in order.</returns>
    /// <exception cref="ArgumentException">An image has more or fewer patches than there are placeholders for it.</exception>
    public static IReadOnlyList<PrefillChunk> Create(IDecoder decoder, IEnumerable<PromptSegment> segments, int start = 0)
    {
        Cutter cutter = new(decoder);
        foreach (PromptSegment segment in segments)
        {
            int places = segment.Image is null ? 0 : segment.TokenIds.Span.Count(decoder.PlaceholderTokenId);
            if (segment.Image is { } image && places != image.Count)
                throw new ArgumentException(
                    $"An image has {image.Count} patches, and there are {places} placeholder tokens for them; it is read whole.", nameof(segments));
            int skipped = Math.Min(start, segment.TokenIds.Length);
            start -= skipped;
            if (segment.Image is not null && !decoder.SplitsImages && skipped < segment.TokenIds.Length)
                cutter.AddWhole(segment);
            else
                cutter.Add(segment, skipped);
        }
        return cutter.Finish();
    }

    private sealed class Cutter(IDecoder decoder)
    {
        private readonly List<PrefillChunk> _chunks = [];
        private readonly List<int> _tokens = [];
        private readonly List<ImagePart> _images = [];
        private int _sinceState;

        public void AddWhole(PromptSegment segment)
        {
            // A piece has no more patches than one image may have, unless it is a larger image. So every sequence that takes an image takes every prompt.
            int most = decoder.CanAppend ? decoder.MaxPatchesPerImage : int.MaxValue;
            if (_tokens.Count + segment.TokenIds.Length > decoder.ChunkTokens
                || (_images.Count > 0 && _images.Sum(image => image.Count) > most - segment.Image!.Count))
                Flush();
            _tokens.AddRange(segment.TokenIds.Span);
            _images.Add(new ImagePart(segment.Image!, 0, segment.Image!.Count));
        }

        public void Add(PromptSegment segment, int skipped)
        {
            int patches = segment.Image is null ? 0 : segment.TokenIds.Span[..skipped].Count(decoder.PlaceholderTokenId);
            ReadOnlySpan<int> rest = segment.TokenIds.Span[skipped..];
            while (rest.Length > 0)
            {
                if (_tokens.Count >= decoder.ChunkTokens)
                    Flush();
                ReadOnlySpan<int> taken = rest[..Math.Min(rest.Length, decoder.ChunkTokens - _tokens.Count)];
                bool endsTurn = CutAfterTurn(ref taken);
                _tokens.AddRange(taken);
                int count = segment.Image is null ? 0 : taken.Count(decoder.PlaceholderTokenId);
                if (count > 0)
                    _images.Add(new ImagePart(segment.Image!, patches, count));
                patches += count;
                rest = rest[taken.Length..];
                if (endsTurn)
                    Flush(savesState: true);
            }
        }

        public List<PrefillChunk> Finish()
        {
            Flush();
            return _chunks;
        }

        /// <summary>Cuts a piece after its first token that ends a turn.</summary>
        /// <returns>Whether there is one.</returns>
        private bool CutAfterTurn(ref ReadOnlySpan<int> tokens)
        {
            for (int i = 0; i < tokens.Length; i++)
            {
                if (!decoder.SavesStateAfter(tokens[i]))
                    continue;
                tokens = tokens[..(i + 1)];
                return true;
            }
            return false;
        }

        private void Flush(bool savesState = false)
        {
            if (_tokens.Count == 0)
                return;
            _sinceState += _tokens.Count;
            savesState |= _sinceState >= TokensBetweenStates;
            if (savesState)
                _sinceState = 0;
            _chunks.Add(new PrefillChunk(_tokens.ToArray(), _images.ToArray()) { SavesState = savesState });
            _tokens.Clear();
            _images.Clear();
        }
    }
}
