namespace OnnxVlm.Export.HuggingFace;

/// <summary><c>added_tokens.json</c>: tokens added to a vocabulary, by their text. Some checkpoints name the tokens of images nowhere else.</summary>
internal static class AddedTokensFile
{
    public const string FileName = "added_tokens.json";

    /// <summary>The id of a token.</summary>
    /// <param name="folder">The checkpoint's folder.</param>
    /// <param name="text">The token as it is spelled in the file.</param>
    /// <returns>The id, or null where there is no such token, or no such file.</returns>
    /// <exception cref="ModelLoadException">The file is not an object of ids.</exception>
    public static int? Find(string folder, string text) =>
        File.Exists(Path.Combine(folder, FileName)) ? HfConfig.Load(folder, FileName).Optional<int>(text) : null;
}
