using System.Text;
using Microsoft.ML.Tokenizers;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tokenizers;

/// <summary>
/// The tokenizer of a model folder on Microsoft.ML.Tokenizers, for counting and trimming without the model: see <see cref="TokenCounter"/>.
/// Reads byte-level BPE, the kind of GPT-2, Qwen and Llama 3, and refuses every setting of <c>tokenizer.json</c> that it could not follow exactly.
/// Letters and digits are those of .NET's Unicode version; the native tokenizer's is older (13), so that a text with characters added since can differ by a token.
/// Safe to use from several threads at once; holds no native memory.
/// </summary>
public sealed class MlTokenizer : ITokenizer
{
    private readonly BpeTokenizer _tokenizer;
    private readonly AddedTokens _added;
    private readonly bool _normalizes;

    private MlTokenizer(BpeTokenizer tokenizer, AddedTokens added, bool normalizes)
    {
        _tokenizer = tokenizer;
        _added = added;
        _normalizes = normalizes;
    }

    /// <summary>Reads <c>tokenizer.json</c>.</summary>
    /// <param name="folder">The model folder.</param>
    /// <exception cref="ModelLoadException">The file is missing or damaged.</exception>
    /// <exception cref="UnsupportedModelException">The tokenizer is of another kind, or wants something that this process cannot do; the message names the key.</exception>
    public static MlTokenizer Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        TokenizerFile file = TokenizerFile.Read(Path.Combine(folder, "tokenizer.json"));
        // In the mode that leaves ICU out, .NET returns every text as it is.
        if (file.NormalizesToNfc && !"e\u0301".Normalize(NormalizationForm.FormC).Equals("\u00E9", StringComparison.Ordinal))
        {
            throw new UnsupportedModelException($"{file.Path}: normalizer: the tokenizer needs Unicode normalization (NFC), which this process runs without; "
                + "set InvariantGlobalization to false.");
        }

        BpeOptions options = new(file.Vocabulary) { Merges = file.Merges, ByteLevel = true, PreTokenizer = new RunePreTokenizer(file.Pattern) };
        try
        {
            return new MlTokenizer(BpeTokenizer.Create(options), new AddedTokens(file.AddedTokens), file.NormalizesToNfc);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw new ModelLoadException($"{file.Path}: model: {e.Message} Export or copy the model folder again.", e);
        }
    }

    /// <inheritdoc />
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> ids = [];
        foreach ((Range range, int? added) in _added.Split(text))
        {
            if (added is { } id)
                ids.Add(id);
            else
                ids.AddRange(_tokenizer.EncodeToIds(_normalizes ? text[range].Normalize(NormalizationForm.FormC) : text[range]));
        }
        return [.. ids];
    }
}
