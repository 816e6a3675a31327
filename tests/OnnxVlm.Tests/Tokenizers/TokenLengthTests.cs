using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

internal sealed class TokenLengthTests
{
    [Test]
    public void LongestToken_EveryText_HasAtLeastThatManyTokens([Values("nfc", "qwen35", "prefix", "digits", "gemmaT", "llama2T", "uniFuyu", "uniMeta")] string name)
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load(name);
        int longest = tokenizer.LongestToken!.Value;
        foreach (string text in TokenizerData.Texts.Concat(tokenizer.AddedTokens.Select(token => token.Content)).Concat(["\u03b1\u0313\u0300\u0345", "😀😀😀", new string('▁', 500), new string(' ', 500)]))
        {
            Assert.That(tokenizer.Encode(text).Length * longest, Is.GreaterThanOrEqualTo(text.Length), text);
            Assert.That(tokenizer.EncodeAsText(text).Length * longest, Is.GreaterThanOrEqualTo(text.Length), text);
        }
    }

    // Blanks are dropped; unknown characters become one token.
    [TestCase("splitrem")]
    [TestCase("gemmaT_unk")]
    [TestCase("uniFuyu_unk")]
    [TestCase("added2")]
    public void LongestToken_TextCanVanish_IsUnknown(string name) => Assert.That(TokenizerData.Load(name).LongestToken, Is.Null);
}
