using OnnxVlm.Tokenizers.PreTokenizers;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>Reads the key <c>normalizer</c>; what cannot be followed exactly is refused by name.</summary>
internal static class NormalizerReader
{
    private const string Implemented = "NFC, Replace, Prepend, Lowercase, Strip and Sequence";

    /// <summary>The steps in order; none where the key is null.</summary>
    public static List<INormalizer> Read(JsonKey? key)
    {
        List<INormalizer> steps = [];
        if (key is { } normalizer)
            Add(normalizer, steps, depth: 0);
        return steps;
    }

    private static void Add(JsonKey key, List<INormalizer> steps, int depth)
    {
        JsonKey type = key.Required("type");
        switch (type.Text())
        {
            case "Sequence" when depth < 8:
                foreach (JsonKey step in key.Required("normalizers").Items())
                    Add(step, steps, depth + 1);
                break;
            case "Replace":
                JsonKey pattern = key.Required("pattern");
                steps.Add(new Replace(PatternReader.Read(pattern), key.Required("content").Text()));
                break;
            case "Prepend":
                steps.Add(new Prepend(key.Required("prepend").Text()));
                break;
            case "NFC":
                steps.Add(new CanonicalComposition());
                break;
            case "Lowercase":
                steps.Add(new Lowercase());
                break;
            case "Strip":
                steps.Add(new Strip(key.Flag("strip_left"), key.Flag("strip_right")));
                break;
            default:
                throw type.Unsupported(Implemented);
        }
    }
}
