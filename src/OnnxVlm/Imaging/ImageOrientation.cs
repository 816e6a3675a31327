namespace OnnxVlm.Imaging;

/// <summary>How a stored image must be turned to stand upright; the values are those of EXIF tag 0x0112 (Exif 2.3, section 4.6.4 A).</summary>
public enum ImageOrientation
{
    /// <summary>It is upright as stored.</summary>
    Upright = 1,

    /// <summary>Left and right are swapped.</summary>
    MirrorHorizontal = 2,

    /// <summary>Half a turn.</summary>
    Rotate180 = 3,

    /// <summary>Top and bottom are swapped.</summary>
    MirrorVertical = 4,

    /// <summary>Mirrored along the diagonal from top left to bottom right.</summary>
    Transpose = 5,

    /// <summary>A quarter turn clockwise.</summary>
    Rotate90 = 6,

    /// <summary>Mirrored along the diagonal from top right to bottom left.</summary>
    Transverse = 7,

    /// <summary>A quarter turn counter-clockwise.</summary>
    Rotate270 = 8,
}
