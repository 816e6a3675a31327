using System.Text.RegularExpressions;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>
/// The expressions of well-known tokenizers in .NET's syntax, as source-generated code. It is several times as fast as an interpreted expression, and
/// also works where no code can be generated at run time. The expressions are <see cref="OnigurumaPattern"/>'s translations of the originals.
/// </summary>
internal static partial class KnownPatterns
{
    private const int TimeLimitMs = 30_000;

    private const string Contractions = @"(?:'[sS\u017F]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    private const string Tail = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    internal const string Gpt2Text = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    internal const string Qwen2Text = Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + Tail;
    internal const string Llama3Text = Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + Tail;
    internal const string Qwen35Text = Contractions + @"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static readonly Dictionary<string, Func<Regex>> Known = new(StringComparer.Ordinal)
    {
        [Gpt2Text] = Gpt2,
        [Qwen2Text] = Qwen2,
        [Llama3Text] = Llama3,
        [Qwen35Text] = Qwen35,
    };

    /// <summary>Creates an expression; a known one is source-generated.</summary>
    /// <param name="pattern">An expression in .NET's syntax.</param>
    public static Regex Create(string pattern) =>
        Known.TryGetValue(pattern, out Func<Regex>? create)
            ? create()
            : new Regex(pattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeSpan.FromMilliseconds(TimeLimitMs));

    /// <summary>Whether the expression is source-generated.</summary>
    public static bool IsKnown(string pattern) => Known.ContainsKey(pattern);

    [GeneratedRegex(Gpt2Text, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimitMs)]
    private static partial Regex Gpt2();

    [GeneratedRegex(Qwen2Text, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimitMs)]
    private static partial Regex Qwen2();

    [GeneratedRegex(Llama3Text, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimitMs)]
    private static partial Regex Llama3();

    [GeneratedRegex(Qwen35Text, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimitMs)]
    private static partial Regex Qwen35();
}
