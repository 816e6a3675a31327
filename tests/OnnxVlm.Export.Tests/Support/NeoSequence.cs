using OnnxVlm.Imaging;
using OnnxVlm.Prompting;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>A sequence for a <see cref="TinyNeo"/>: pieces of text and whole images, in the forms of the reference, the graph and the library.</summary>
internal sealed class NeoSequence(TinyNeo model, int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Tokens of each piece; an image includes its begin and end token.</summary>
    public List<long[]> Pieces { get; } = [];

    /// <summary>The image of each piece; null for text.</summary>
    public List<(int Width, int Height, byte[] Pixels)?> Images { get; } = [];

    public List<long> Ids => [.. Pieces.SelectMany(piece => piece)];

    public int Length => Pieces.Sum(piece => piece.Length);

    public NeoSequence Text(int tokens)
    {
        Pieces.Add([.. Enumerable.Range(0, tokens).Select(_ => (long)_random.Next(4, TinyNeo.ImageToken - 1))]);
        Images.Add(null);
        return this;
    }

    public NeoSequence Image(int rows, int columns)
    {
        byte[] pixels = new byte[3 * rows * columns * model.PatchSize * model.PatchSize];
        _random.NextBytes(pixels);
        Pieces.Add([TinyNeo.BeginToken, .. Enumerable.Repeat((long)TinyNeo.ImageToken, rows * columns), TinyNeo.EndToken]);
        Images.Add((columns * model.PatchSize, rows * model.PatchSize, pixels));
        return this;
    }

    /// <summary>The sequence up to a piece, which can then continue differently.</summary>
    public NeoSequence Head(int pieces)
    {
        NeoSequence head = new(model, _random.Next());
        head.Pieces.AddRange(Pieces[..pieces]);
        head.Images.AddRange(Images[..pieces]);
        return head;
    }

    public double[][] Expected(ReferenceNeo reference) => reference.Logits(Ids, TinyNeo.ImageToken, [.. Images.OfType<(int, int, byte[])>()]);

    /// <summary>The patches of some pieces, [channel, row, column], with their places.</summary>
    public List<(byte[] Pixels, int Column, int Row)> Patches(int from, int to) =>
        ImagePatches.Cut(Images[from..to].OfType<(int, int, byte[])>(), model.PatchSize);

    /// <summary>The pieces in the library's form; images go through its preprocessing, which does not change their size.</summary>
    public List<PromptSegment> Segments(ImagePreprocessor preprocessor) => [.. Pieces.Zip(Images, (ids, image) =>
        new PromptSegment(ids.Select(id => (int)id).ToArray(),
            image is var (width, height, pixels) ? preprocessor.Process(new RgbImage(width, height, pixels)) : null))];
}
