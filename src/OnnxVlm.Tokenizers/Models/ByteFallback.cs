using System.Globalization;

namespace OnnxVlm.Tokenizers.Models;

/// <summary>The tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>, which represent the bytes of characters that the vocabulary lacks.</summary>
internal sealed class ByteFallback
{
    private readonly int[] _ids = new int[256];

    public ByteFallback(Func<string, int?> find)
    {
        for (int value = 0; value < 256; value++)
            _ids[value] = find(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>")) ?? -1;
    }

    /// <summary>Whether every byte has a token.</summary>
    public bool IsComplete => Array.TrueForAll(_ids, id => id >= 0);

    /// <summary>The ids of all existing tokens.</summary>
    public IEnumerable<int> Ids => _ids.Where(id => id >= 0);

    /// <summary>The id of each byte.</summary>
    /// <returns>False where one of them has no token.</returns>
    public bool TryEncode(ReadOnlySpan<byte> bytes, Span<int> ids)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            if ((ids[i] = _ids[bytes[i]]) < 0)
                return false;
        }
        return true;
    }

    /// <summary>The byte that a token represents.</summary>
    public static bool TryParse(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }
}
