using OnnxVlm.Tokenizers.PreTokenizers;

namespace OnnxVlm.Tokenizers;

/// <summary>Computes how much of a text one token can represent.</summary>
internal static class TokenLength
{
    /// <summary>The most characters of a text for one token; null where there is no limit.</summary>
    public static int? Longest(TokenizerReader file)
    {
        bool isByteLevel = file.PreTokenizers.Exists(step => step is ByteLevel);
        bool isComplete = isByteLevel
            ? Enumerable.Range(0, 256).All(value => file.Model.Find(ByteAlphabet.ToChar((byte)value).ToString()) is not null)
            : file.Model.HasAllBytes;
        bool drops = file.PreTokenizers.Exists(step => step is Split { Drops: true })
            || file.AddedTokens.Exists(token => token.StripsLeft || token.StripsRight);
        if (!isComplete || drops)
            return null;
        int factor = 1;
        foreach (int? most in file.Normalizers.Select(step => step.MostCharactersToOne))
        {
            if (most is not { } shrinks || (factor = checked(factor * shrinks)) > 1000)
                return null;
        }

        // In the byte alphabet, a token has a character for each byte, and a character of a text has at least one byte.
        int longest = file.Model.Tokens.Max(token => token?.Length ?? 1);
        int longestAdded = file.AddedTokens.Count == 0 ? 1 : file.AddedTokens.Max(token => token.Content.Length);
        return factor * Math.Max(2, Math.Max(longest, longestAdded));
    }
}
