using System.Globalization;
using System.Text;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.PreTokenizers;

/// <summary>Reads the key <c>pre_tokenizer</c>; what cannot be followed exactly is refused by name.</summary>
internal static class PreTokenizerReader
{
    private const string Implemented = "ByteLevel, Split, Metaspace, Digits, WhitespaceSplit and Sequence";

    /// <summary>The steps in order; none where the key is null.</summary>
    public static List<IPreTokenizer> Read(JsonKey? key)
    {
        List<IPreTokenizer> steps = [];
        if (key is { } preTokenizer)
            Add(preTokenizer, steps, depth: 0);
        return steps;
    }

    private static void Add(JsonKey key, List<IPreTokenizer> steps, int depth)
    {
        JsonKey type = key.Required("type");
        switch (type.Text())
        {
            case "Sequence" when depth < 8:
                foreach (JsonKey step in key.Required("pretokenizers").Items())
                    Add(step, steps, depth + 1);
                break;
            case "ByteLevel":
                if (key.Flag("add_prefix_space", otherwise: true))
                    steps.Add(new PrefixSpace());
                if (key.Flag("use_regex", otherwise: true))
                    steps.Add(new Split(PatternReader.Create(PatternReader.Gpt2), SplitBehavior.Isolated, inverted: false));
                steps.Add(new ByteLevel());
                break;
            case "Split":
                steps.Add(new Split(PatternReader.Read(key.Required("pattern")), Behavior(key.Required("behavior")), key.Flag("invert")));
                break;
            case "Metaspace":
                AddMetaspace(key, steps);
                break;
            case "Digits":
                SplitBehavior digits = key.Flag("individual_digits") ? SplitBehavior.Isolated : SplitBehavior.Contiguous;
                steps.Add(new Split(new RunePattern(IsNumber), digits, inverted: false));
                break;
            case "WhitespaceSplit":
                steps.Add(new Split(new RunePattern(Rune.IsWhiteSpace), SplitBehavior.Removed, inverted: false));
                break;
            default:
                throw type.Unsupported(Implemented);
        }
    }

    private static void AddMetaspace(JsonKey key, List<IPreTokenizer> steps)
    {
        string replacement = key.Required("replacement").Text();
        if (replacement.Length == 0)
            throw key.Required("replacement").Bad("one character");
        PrependScheme scheme = key.Optional("prepend_scheme") is not { } named
            ? key.Flag("add_prefix_space", otherwise: true) ? PrependScheme.Always : PrependScheme.Never
            : named.Text() switch
            {
                "always" => PrependScheme.Always,
                "first" => PrependScheme.First,
                "never" => PrependScheme.Never,
                _ => throw named.Unsupported("always, first and never"),
            };
        steps.Add(new Metaspace(replacement, scheme));
        if (key.Flag("split", otherwise: true))
            steps.Add(new Split(new LiteralPattern(replacement), SplitBehavior.MergedWithNext, inverted: false));
    }

    private static SplitBehavior Behavior(JsonKey key) => key.Text() switch
    {
        "Isolated" => SplitBehavior.Isolated,
        "Removed" => SplitBehavior.Removed,
        "Contiguous" => SplitBehavior.Contiguous,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        _ => throw key.Unsupported("Isolated, Removed, Contiguous, MergedWithPrevious and MergedWithNext"),
    };

    private static bool IsNumber(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;
}
