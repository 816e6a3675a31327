namespace OnnxVlm.Prompting;

/// <summary>Text to token ids. Implementations are safe to call from several threads at once.</summary>
public interface ITokenizer
{
    /// <summary>Encodes text. A special token's text becomes that token, so text from outside goes through <see cref="ContentEncoder"/> instead.</summary>
    /// <param name="text">Any text; an empty one gives no ids.</param>
    /// <returns>The token ids.</returns>
    int[] Encode(string text);
}
