using System.Text;
using OnnxVlm.Tokenizers.Models;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.Decoding;

/// <summary>The key <c>decoder</c>: how the spelling of a token becomes the bytes that it adds to a text.</summary>
internal sealed class TokenDecoder
{
    private const string Implemented = "ByteLevel, ByteFallback, Replace of a text, Metaspace, Fuse, Strip of leading blanks and Sequence";

    private readonly List<(string Text, string Content)> _replacements = [];
    private bool _hasByteFallback;

    private TokenDecoder()
    {
    }

    /// <summary>Whether tokens are spelled in <see cref="ByteAlphabet"/>.</summary>
    public bool IsByteLevel { get; private set; }

    /// <summary>The number of blanks that are dropped at the beginning of a text, since the tokenizer inserts them there.</summary>
    public int LeadingBlanks { get; private set; }

    /// <summary>Reads the key.</summary>
    /// <param name="key">The decoder; null where there is none, and the usual one is used.</param>
    /// <param name="isByteLevel">Whether texts are converted to the byte alphabet before the model encodes them.</param>
    public static TokenDecoder Read(JsonKey? key, bool isByteLevel)
    {
        TokenDecoder decoder = new();
        if (key is { } found)
        {
            decoder.Add(found, depth: 0);
            return decoder;
        }
        decoder.IsByteLevel = isByteLevel;
        decoder._hasByteFallback = true;
        decoder._replacements.Add(("▁", " "));
        return decoder;
    }

    /// <summary>The bytes of a token.</summary>
    /// <param name="token">The token as the file spells it.</param>
    public byte[] ToBytes(string token)
    {
        if (IsByteLevel)
            return ByteAlphabet.ToBytes(token) ?? Encoding.UTF8.GetBytes(token);
        if (_hasByteFallback && ByteFallback.TryParse(token, out byte value))
            return [value];
        foreach ((string text, string content) in _replacements)
            token = token.Replace(text, content, StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(token);
    }

    private void Add(JsonKey key, int depth)
    {
        JsonKey type = key.Required("type");
        switch (type.Text())
        {
            case "Sequence" when depth < 8:
                foreach (JsonKey step in key.Required("decoders").Items())
                    Add(step, depth + 1);
                break;
            case "ByteLevel":
                IsByteLevel = true;
                break;
            case "ByteFallback":
                _hasByteFallback = true;
                break;
            case "Fuse":
                break;
            case "Replace":
                JsonKey pattern = key.Required("pattern");
                string text = (pattern.Optional("String") ?? throw pattern.Unsupported("a text")).Text();
                _replacements.Add((text.Length > 0 ? text : throw pattern.Unsupported("a text that is not empty"), key.Required("content").Text()));
                break;
            case "Metaspace":
                string mark = key.Required("replacement").Text();
                _replacements.Add((mark.Length > 0 ? mark : throw key.Required("replacement").Bad("one character"), " "));
                LeadingBlanks = key.Optional("prepend_scheme")?.Text() == "never" || !key.Flag("add_prefix_space", otherwise: true) ? 0 : 1;
                break;
            case "Strip" when key.Required("content").Text() == " " && key.Required("stop").Number(0) == 0:
                LeadingBlanks += key.Required("start").Number(1);
                break;
            default:
                throw type.Unsupported(Implemented);
        }
    }
}
