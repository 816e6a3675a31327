using OnnxVlm.Tokenizers;

namespace OnnxVlm.Prompting;

/// <summary>The tokenizer of a model folder. Immutable; safe to use from several threads at once.</summary>
/// <param name="tokenizer">The reader of its <c>tokenizer.json</c>, which is also a tokenizer of Microsoft.ML.Tokenizers.</param>
public sealed class ModelTokenizer(HuggingFaceTokenizer tokenizer) : ITokenizer
{
    /// <summary>The tokenizer itself, for tokens, bytes, offsets and everything that Microsoft.ML.Tokenizers can do.</summary>
    public HuggingFaceTokenizer Inner => tokenizer;

    /// <summary>Reads a file.</summary>
    /// <param name="path">A <c>tokenizer.json</c>.</param>
    /// <exception cref="ModelLoadException">The file is missing or damaged; the message names the key.</exception>
    /// <exception cref="UnsupportedModelException">The file has a setting that cannot be followed exactly; the message names the key.</exception>
    public static ModelTokenizer Load(string path) => Create(() => HuggingFaceTokenizer.Load(path));

    /// <summary>Reads a file's content.</summary>
    /// <param name="json">The content of a <c>tokenizer.json</c>, in UTF-8.</param>
    /// <param name="path">The name of the file in messages.</param>
    /// <exception cref="ModelLoadException">The content is damaged; the message names the key.</exception>
    /// <exception cref="UnsupportedModelException">The content has a setting that cannot be followed exactly; the message names the key.</exception>
    public static ModelTokenizer Parse(ReadOnlyMemory<byte> json, string path) => Create(() => HuggingFaceTokenizer.Parse(json, path));
    /// <inheritdoc />
    public int[] Encode(string text) => tokenizer.Encode(text);

    /// <inheritdoc />
    public int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate) => tokenizer.Encode(text, fromTemplate);

    /// <inheritdoc />
    public int[] EncodeAsText(ReadOnlySpan<char> text) => tokenizer.EncodeAsText(text);

    private static ModelTokenizer Create(Func<HuggingFaceTokenizer> read)
    {
        try
        {
            return new ModelTokenizer(read());
        }
        catch (TokenizerException e)
        {
            throw e.IsUnsupported ? new UnsupportedModelException(e.Message, e) : new ModelLoadException(e.Message, e);
        }
    }
}
