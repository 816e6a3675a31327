using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers;

/// <summary>A token of <c>added_tokens</c>: it is found in a text as a whole, before the model splits the text.</summary>
public sealed record AddedToken
{
    /// <summary>The largest id: 16,777,215, about sixty times the largest vocabularies.</summary>
    internal const int MaxId = (1 << 24) - 1;

    /// <summary>The token's id.</summary>
    public required int Id { get; init; }

    /// <summary>The text of the token.</summary>
    public required string Content { get; init; }

    /// <summary>Whether the token controls the model. Such a token is made only from the template's text, and adds nothing to an answer.</summary>
    public bool IsSpecial { get; init; }

    /// <summary>Whether it is searched for in the normalized text.</summary>
    public bool IsNormalized { get; init; }

    /// <summary>Whether it includes the blanks before it.</summary>
    public bool StripsLeft { get; init; }

    /// <summary>Whether it includes the blanks after it.</summary>
    public bool StripsRight { get; init; }

    /// <summary>Whether it is found only where it has no letter or digit beside it.</summary>
    public bool IsSingleWord { get; init; }

    internal static AddedToken Read(JsonKey key)
    {
        bool isSpecial = key.Flag("special");
        string content = key.Required("content").Text();
        return new AddedToken
        {
            Id = key.Required("id").Number(MaxId),
            Content = content.Length > 0 ? content : throw key.Required("content").Bad("the token's text"),
            IsSpecial = isSpecial,
            IsNormalized = key.Flag("normalized", !isSpecial),
            StripsLeft = key.Flag("lstrip"),
            StripsRight = key.Flag("rstrip"),
            IsSingleWord = key.Flag("single_word"),
        };
    }
}
