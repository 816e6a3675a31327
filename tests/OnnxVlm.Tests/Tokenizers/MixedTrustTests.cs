using System.Text;
using System.Text.Json.Nodes;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>Prompts of a template and text from outside, encoded in one pass.</summary>
internal sealed class MixedTrustTests
{
    private const string Special = "<|im_end|>";

    [Test]
    public void Encode_SpecialTokenOfBoth_IsText([ValueSource(nameof(Kinds))] string kind)
    {
        HuggingFaceTokenizer tokenizer = WithSpecial(kind, isNormalized: false);
        int id = tokenizer.IdOf(Special)!.Value;
        for (int outside = 0; outside <= Special.Length; outside++)
        {
            string text = $"a {Special} b";
            bool[] flags = [.. Enumerable.Repeat(true, text.Length)];
            if (outside < Special.Length)
                flags[2 + outside] = false;
            int[] ids = tokenizer.Encode(text, flags);

            Assert.That(ids.Count(found => found == id), Is.EqualTo(outside < Special.Length ? 0 : 1), $"character {outside}");
            if (outside < Special.Length)
                Assert.That(ids, Is.EqualTo(tokenizer.EncodeAsText(text)), $"character {outside}");
        }
    }

    [Test]
    public void Encode_NormalizedSpecialTokenOfBoth_IsText([Values("nfc", "prefix", "gemmaT", "uniMeta")] string kind)
    {
        HuggingFaceTokenizer tokenizer = WithSpecial(kind, isNormalized: true);
        int id = tokenizer.IdOf(Special)!.Value;
        string text = $"x{Special}{Special}{Special}";
        bool[] flags = [.. Enumerable.Repeat(true, text.Length)];
        flags[1 + Special.Length + 3] = false;

        int[] ids = tokenizer.Encode(text, flags);

        Assert.That(ids.Count(found => found == id), Is.EqualTo(tokenizer.Encode(text).Count(found => found == id) - 1));
        Assert.That(tokenizer.EncodeAsText(text), Has.None.EqualTo(id));
    }

    [Test]
    public void Encode_NothingOfOutsideSpellsATokenOfTheTemplate_GivesTheSameIds([ValueSource(nameof(Kinds))] string kind)
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load(kind);
        Random random = new(3);
        foreach (string text in TokenizerData.Texts.Where(text => !text.Contains('<', StringComparison.Ordinal)))
        {
            bool[] flags = [.. text.Select(_ => random.Next(2) == 0)];
            if (flags.Length > 0)
                Assert.That(tokenizer.Encode(text, flags), Is.EqualTo(tokenizer.Encode(text)), text);
        }
    }

    [Test]
    public void Encode_BytePieceFromOutside_IsText()
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load("uniFuyu");
        int piece = tokenizer.IdOf("<0x41>")!.Value;

        Assert.That(tokenizer.Encode("<0x41>"), Does.Contain(piece));
        Assert.That(tokenizer.EncodeAsText("<0x41>"), Has.None.EqualTo(piece));
        Assert.That(tokenizer.Encode("x <0x41>", [true, true, true, true, true, true, false, true]), Has.None.EqualTo(piece));
    }

    // No character of the piece is in the vocabulary, so that the model joins the unknown ones to the piece's very text.
    [Test]
    public void EncodeAsText_UnknownCharactersThatSpellAPiece_AreNotThePiece()
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Parse(TokenizerData.Node("""
            {"model": {"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": [["<unk>", 0], ["<0x04>", -1], ["a", -2]]}, "added_tokens": []}
            """));

        Assert.That(tokenizer.Encode("<0x04>a"), Is.EqualTo(new[] { 1, 2 }));
        Assert.That(tokenizer.EncodeAsText("<0x04>a"), Is.EqualTo(new[] { 0, 2 }));
    }

    [Test]
    public void EncodeAsText_MergesThatSpellASpecialToken_StopBeforeIt()
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Parse(TokenizerData.Node("""
            {"model": {"type": "BPE", "vocab": {"<": 0, "s": 1, ">": 2, "<s": 3, "<s>": 4}, "merges": ["< s", "<s >"]}, "added_tokens": [{"id": 4, "content": "<s>", "special": true}]}
            """));

        Assert.That(tokenizer.Encode("<s>"), Is.EqualTo(new[] { 4 }));
        Assert.That(tokenizer.EncodeAsText("<s>"), Is.EqualTo(new[] { 3, 2 }));
        Assert.That(tokenizer.Encode("<s>", [true, false, true]), Is.EqualTo(new[] { 3, 2 }));
    }

    [Test]
    public void Encode_FlagsOfAnotherLength_Throws() =>
        Assert.That(() => TokenizerData.Load("nfc").Encode("abc", new bool[2]), Throws.ArgumentException);

    [Test]
    public void Encode_HalfOfAPair_IsTheReplacementCharacter()
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load("nfc");

        Assert.That(tokenizer.Encode("a\ud83d b\udc00"), Is.EqualTo(tokenizer.Encode("a\ufffd b\ufffd")));
        Assert.That(tokenizer.Encode("\udc00\ud83d", [true, false]), Is.EqualTo(tokenizer.Encode("\ufffd\ufffd")));
    }

    private static readonly string[] Kinds = ["nfc", "qwen35", "prefix", "gemmaT", "llama2T", "uniFuyu", "uniMeta"];

    private static HuggingFaceTokenizer WithSpecial(string kind, bool isNormalized)
    {
        JsonNode json = TokenizerData.Json(kind);
        JsonArray added = json["added_tokens"]!.AsArray();
        added.RemoveAll(token => (string?)token!["content"] == Special);
        added.Add(new JsonObject { ["id"] = 9000, ["content"] = Special, ["special"] = true, ["normalized"] = isNormalized, ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false });
        return HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(json.ToJsonString()));
    }
}
