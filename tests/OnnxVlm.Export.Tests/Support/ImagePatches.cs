namespace OnnxVlm.Export.Tests.Support;

/// <summary>Cuts images into the patches that a graph reads.</summary>
internal static class ImagePatches
{
    /// <summary>The patches of some images, uint8 [channel, row, column], with their places in the image, row by row.</summary>
    /// <param name="images">Pixels [height, width, 3]; sides are whole patches.</param>
    /// <param name="p">Side of a patch in pixels.</param>
    public static List<(byte[] Pixels, int Column, int Row)> Cut(IEnumerable<(int Width, int Height, byte[] Pixels)> images, int p)
    {
        List<(byte[] Pixels, int Column, int Row)> patches = [];
        foreach ((int width, int height, byte[] pixels) in images)
        {
            for (int i = 0; i < width / p * (height / p); i++)
            {
                (int row, int column) = (i / (width / p), i % (width / p));
                patches.Add(([.. Enumerable.Range(0, 3 * p * p)
                    .Select(n => pixels[(((((row * p) + (n / p % p)) * width) + (column * p) + (n % p)) * 3) + (n / (p * p))])], column, row));
            }
        }

        return patches;
    }
}
