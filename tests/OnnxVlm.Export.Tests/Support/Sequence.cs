namespace OnnxVlm.Export.Tests.Support;

/// <summary>A token sequence with its image patches, which can be fed in parts.</summary>
internal sealed class Sequence(TinyModel model, int seed)
{
    private readonly Random _random = new(seed);

    public List<long> Ids { get; } = [];

    public List<(byte[] Pixels, int Column, int Row)> Patches { get; } = [];

    public Sequence Text(int tokens)
    {
        for (int i = 0; i < tokens; i++)
            Ids.Add(_random.Next(TinyModel.ImageEndToken + 1, model.Vocabulary));
        return this;
    }

    public Sequence Image(int rows, int columns)
    {
        Ids.Add(TinyModel.ImageStartToken);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                byte[] pixels = new byte[model.PatchWidth];
                _random.NextBytes(pixels);
                Ids.Add(TinyModel.ImageToken);
                Patches.Add((pixels, column, row));
            }

            Ids.Add(TinyModel.RowEndToken);
        }

        Ids.Add(TinyModel.ImageEndToken);
        return this;
    }

    /// <summary>The part [from, to): its tokens and the patches of its image tokens.</summary>
    public (List<long> Ids, List<(byte[] Pixels, int Column, int Row)> Patches) Part(int from, int to)
    {
        int before = Ids.Take(from).Count(id => id == TinyModel.ImageToken);
        List<long> ids = Ids[from..to];
        return (ids, Patches.GetRange(before, ids.Count(id => id == TinyModel.ImageToken)));
    }
}
