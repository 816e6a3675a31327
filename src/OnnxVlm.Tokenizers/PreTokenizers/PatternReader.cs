using System.Text.RegularExpressions;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Reads a pattern: <c>{"String": …}</c>, or <c>{"Regex": …}</c> in Oniguruma's syntax.</summary>
internal static class PatternReader
{
    /// <summary>What GPT-2's pre-tokenizer splits at (openai/gpt-2, <c>src/encoder.py</c>); <c>tokenizer.json</c> names it by <c>use_regex</c>.</summary>
    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static IPattern Read(JsonKey key)
    {
        if (key.Optional("String") is { } literal)
        {
            string text = literal.Text();
            return text.Length > 0 ? new LiteralPattern(text) : throw literal.Unsupported("a text that is not empty");
        }
        JsonKey regex = key.Required("Regex");
        return Create(regex.Text());
    }

    public static RegexPattern Create(string pattern)
    {
        string translated = Regex.Replace(pattern, @"\(\?i:[^()]*\)", m => m.Value.Replace("s", "[s\u017F]", StringComparison.Ordinal).Replace("k", "[k\u212A]", StringComparison.Ordinal));
        return new RegexPattern(new Regex(translated, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(30)), BmpStandIn.TryCreate(_ => false)!);
    }
}
