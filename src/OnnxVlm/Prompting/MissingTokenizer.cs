namespace OnnxVlm.Prompting;

/// <summary>Represents the tokenizer of a model folder that has none; every use of it is refused with the reason.</summary>
internal sealed class MissingTokenizer : ITokenizer
{
    public int[] Encode(string text) => throw Missing();

    public int[] Encode(ReadOnlySpan<char> text, ReadOnlySpan<bool> fromTemplate) => throw Missing();

    public int[] EncodeAsText(ReadOnlySpan<char> text) => throw Missing();

    /// <summary>The error that says so.</summary>
    public static ModelLoadException Missing() =>
        new("The model folder has no tokenizer, so it takes token ids only; " +
            "put tokenizer.json and tokenizer_config.json beside the checkpoint and export it again.");
}
