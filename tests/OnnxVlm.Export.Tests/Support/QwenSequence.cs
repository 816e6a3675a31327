namespace OnnxVlm.Export.Tests.Support;

/// <summary>A sequence for a <see cref="TinyQwen"/>: pieces of text and whole images.</summary>
internal sealed class QwenSequence(TinyQwen model, int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Tokens of each piece; of an image, only its placeholders.</summary>
    public List<long[]> Pieces { get; } = [];

    /// <summary>The image of each piece; null for text.</summary>
    public List<(int Width, int Height, byte[] Pixels)?> Images { get; } = [];

    public List<long> Ids => [.. Pieces.SelectMany(piece => piece)];

    public int Length => Pieces.Sum(piece => piece.Length);

    public QwenSequence Text(int tokens)
    {
        Pieces.Add([.. Enumerable.Range(0, tokens).Select(_ => (long)_random.Next(1, 89))]);
        Images.Add(null);
        return this;
    }

    public QwenSequence Image(int rows, int columns)
    {
        byte[] pixels = new byte[3 * rows * columns * model.PatchSize * model.PatchSize];
        _random.NextBytes(pixels);
        Pieces.Add([.. Enumerable.Repeat((long)TinyQwen.ImageToken, rows * columns)]);
        Images.Add((columns * model.PatchSize, rows * model.PatchSize, pixels));
        return this;
    }

    public double[][] Expected(ReferenceQwen reference) => reference.Logits(Ids, [.. Images.OfType<(int, int, byte[])>()]);

    /// <summary>How far the index of the token after some pieces is ahead of its position.</summary>
    public long Offset(int pieces) =>
        Images[..pieces].OfType<(int Width, int Height, byte[])>().Sum(image => Offset(image.Height / model.PatchSize, image.Width / model.PatchSize));

    /// <summary>The patches of some pieces, [channel, row, column], with their places.</summary>
    public List<(byte[] Pixels, int Column, int Row)> Patches(int from, int to) =>
        ImagePatches.Cut(Images[from..to].OfType<(int, int, byte[])>(), model.PatchSize);

    private static long Offset(int rows, int columns) => (rows * columns) - Math.Max(rows, columns);
}
