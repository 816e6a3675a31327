using System.Text.RegularExpressions;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Reads a pattern: <c>{"String": …}</c>, or <c>{"Regex": …}</c> in Oniguruma's syntax.</summary>
internal static class PatternReader
{
    /// <summary>
    /// The pattern of GPT-2's pre-tokenizer (openai/gpt-2, <c>src/encoder.py</c>); <c>use_regex</c> in <c>tokenizer.json</c> refers to it.
    /// </summary>
    public const string Gpt2 = KnownPatterns.Gpt2Text;

    /// <summary>Reads the key <c>pattern</c>.</summary>
    /// <exception cref="TokenizerException">The pattern is damaged, or cannot be followed exactly.</exception>
    public static IPattern Read(JsonKey key)
    {
        if (key.Optional("String") is { } literal)
        {
            string text = literal.Text();
            return text.Length > 0 ? new LiteralPattern(text) : throw literal.Unsupported("a text that is not empty");
        }
        JsonKey regex = key.Required("Regex");
        try
        {
            return Create(regex.Text());
        }
        catch (NotSupportedException exception)
        {
            throw regex.Unsupported($"an expression without {exception.Message}");
        }
        catch (ArgumentException)
        {
            throw regex.Bad("a regular expression");
        }
    }

    /// <summary>Creates a pattern from an expression.</summary>
    /// <param name="expression">An expression in Oniguruma's syntax.</param>
    /// <exception cref="NotSupportedException">A part of it cannot be followed exactly; the message names it.</exception>
    /// <exception cref="ArgumentException">The text is not an expression.</exception>
    public static RegexPattern Create(string expression)
    {
        OnigurumaPattern translated = OnigurumaPattern.Translate(expression);
        BmpStandIn standIns = BmpStandIn.TryCreate(translated.Names, translated.SeesWords)
            ?? throw new NotSupportedException("ranges that cover a whole category of characters");
        return new RegexPattern(KnownPatterns.Create(translated.Text), standIns);
    }
}
