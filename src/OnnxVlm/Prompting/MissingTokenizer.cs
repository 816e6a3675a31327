namespace OnnxVlm.Prompting;

/// <summary>Stands in for the tokenizer of a model folder that has none, and says so when it is asked.</summary>
internal sealed class MissingTokenizer : ITokenizer
{
    public int[] Encode(string text) => throw Missing();

    public int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate) => throw Missing();

    public int[] EncodeAsText(ReadOnlySpan<char> text) => throw Missing();

    /// <summary>What is said.</summary>
    public static ModelLoadException Missing() =>
        new("The model folder has no tokenizer, so it takes token ids only; put tokenizer.json and tokenizer_config.json beside the checkpoint and export it again.");
}
