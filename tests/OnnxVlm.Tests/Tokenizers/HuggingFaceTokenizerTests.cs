using System.Text.RegularExpressions;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>Tokens against those of Hugging Face's library.</summary>
internal sealed partial class HuggingFaceTokenizerTests
{
    [TestCaseSource(typeof(TokenizerData), nameof(TokenizerData.Names))]
    public void Encode_TextsOfAllScripts_EqualsHuggingFace(string name)
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load(name);
        (int[][] ids, int[][] asText) = TokenizerData.Expected(name);
        Assert.Multiple(() =>
        {
            for (int i = 0; i < TokenizerData.Texts.Length; i++)
            {
                string text = TokenizerData.Texts[i];
                Assert.That(tokenizer.Encode(text), Is.EqualTo(ids[i]), $"{i}: {Show(text)}");
                // A Unigram of Hugging Face's reads "<s>" and "<0x0A>" in any text as those tokens; here text from outside makes none of them.
                if (!name.StartsWith("uni", StringComparison.Ordinal) || !UnigramPieces().IsMatch(text) || (name == "uniFuyu_unk" && text.Contains("<0x", StringComparison.Ordinal)))
                    Assert.That(tokenizer.EncodeAsText(text), Is.EqualTo(asText[i]), $"{i}, as text: {Show(text)}");
                else
                    Assert.That(tokenizer.Decode(tokenizer.EncodeAsText(text)).TrimStart(), Is.EqualTo(text), $"{i}, as text: {Show(text)}");
                Assert.That(tokenizer.Encode(text, Enumerable.Repeat(true, text.Length).ToArray()), Is.EqualTo(ids[i]), $"{i}, with flags: {Show(text)}");
            }
        });
    }

    [GeneratedRegex("<(0x[0-9A-F]{2}|unk|s|/s)>")]
    private static partial Regex UnigramPieces();

    private static string Show(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:X4}"));
}
