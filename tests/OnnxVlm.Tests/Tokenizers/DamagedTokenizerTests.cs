using System.Text;
using System.Text.Json.Nodes;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>Files that are damaged or ask for too much: one kind of exception, whose message is one line.</summary>
internal sealed class DamagedTokenizerTests
{
    [TestCase("model.type", "\"WordPiece\"")]
    [TestCase("model.type", "\"WordLevel\"")]
    [TestCase("model.dropout", "0.1")]
    [TestCase("model.end_of_word_suffix", "\"</w>\"")]
    [TestCase("model.continuing_subword_prefix", "\"##\"")]
    [TestCase("normalizer.type", "\"NFKC\"")]
    [TestCase("normalizer.type", "\"NFKD\"")]
    [TestCase("normalizer.type", "\"StripAccents\"")]
    [TestCase("normalizer.type", "\"Precompiled\"")]
    [TestCase("normalizer.type", "\"BertNormalizer\"")]
    [TestCase("normalizer.type", "\"Nmt\"")]
    [TestCase("pre_tokenizer.type", "\"BertPreTokenizer\"")]
    [TestCase("pre_tokenizer.type", "\"UnicodeScripts\"")]
    [TestCase("pre_tokenizer.type", "\"Whitespace\"")]
    [TestCase("pre_tokenizer.type", "\"Punctuation\"")]
    [TestCase("decoder.type", "\"WordPiece\"")]
    [TestCase("decoder.type", "\"CTC\"")]
    public void Parse_SettingThatCannotBeFollowed_IsRefusedByName(string key, string value)
    {
        JsonNode json = TokenizerData.Json("nfc");
        json[key.Split('.')[0]]![key.Split('.')[1]] = TokenizerData.Node(value);

        TokenizerException? exception = Assert.Throws<TokenizerException>(() => TokenizerData.Parse(json));

        Assert.That(exception!.Message, Does.Contain(key).And.Contain(value).And.Not.Contain("\n"));
        Assert.That(exception.IsUnsupported);
    }

    [TestCase(@"\p{Han}+", @"\p{Han}")]
    [TestCase(@"(a)\1", @"\1")]
    [TestCase("[a&&b]", "&")]
    [TestCase("[[:alpha:]]", "[")]
    [TestCase(@"(?i:ß)", "U+00DF")]
    [TestCase("(?i:ss)", "ss")]
    [TestCase("(?<name>a)", "(?<n")]
    [TestCase("a{2}?", "{2}?")]
    [TestCase(@"\R", @"\R")]
    [TestCase("😀", "U+FFFF")]
    [TestCase("[\\x{80}-\\x{FFFF}]", "category")]
    public void Parse_ExpressionThatCannotBeFollowed_IsRefusedByName(string expression, string part)
    {
        JsonNode json = TokenizerData.Json("nfc");
        json["pre_tokenizer"] = TokenizerData.Sequence(TokenizerData.Regex(expression, "Isolated"), TokenizerData.ByteLevel());

        TokenizerException? exception = Assert.Throws<TokenizerException>(() => TokenizerData.Parse(json));

        Assert.That(exception!.Message, Does.Contain("pre_tokenizer.pretokenizers[0].pattern.Regex").And.Contain(part));
    }

    [TestCase("model", "null", "model")]
    [TestCase("model", "[]", "model")]
    [TestCase("model.vocab", "{}", "model.vocab")]
    [TestCase("model.vocab", "3", "model.vocab")]
    [TestCase("model.vocab", """{"a": -1}""", "model.vocab")]
    [TestCase("model.vocab", """{"a": 1e99}""", "model.vocab")]
    [TestCase("model.vocab", """{"a": 4000000000}""", "model.vocab")]
    [TestCase("model.vocab", """{"a": 1.5}""", "model.vocab")]
    [TestCase("model.vocab", """{"a": 1, "b": 1}""", "model.vocab")]
    [TestCase("model.vocab", """{"\ud83d": 1}""", "model.vocab")]
    [TestCase("model.merges", "null", "model.merges")]
    [TestCase("model.merges", """["a"]""", "model.merges[0]")]
    [TestCase("model.merges", """["a b c"]""", "model.merges[0]")]
    [TestCase("model.merges", """["a nothing"]""", "model.merges[0]")]
    [TestCase("model.merges", """[["a", 3]]""", "model.merges[0]")]
    [TestCase("model.unk_token", "\"nothing\"", "model.unk_token")]
    [TestCase("model.byte_fallback", "1", "model.byte_fallback")]
    [TestCase("added_tokens", "{}", "added_tokens")]
    [TestCase("added_tokens", """[{"id": 1}]""", "added_tokens[0].content")]
    [TestCase("added_tokens", """[{"id": 1, "content": ""}]""", "added_tokens[0].content")]
    [TestCase("added_tokens", """[{"id": 1, "content": "\udc00"}]""", "added_tokens[0].content")]
    [TestCase("added_tokens", """[{"id": 1, "content": "x"}, {"id": 2, "content": "x"}]""", "added_tokens[1].content")]
    [TestCase("pre_tokenizer", "7", "pre_tokenizer")]
    [TestCase("pre_tokenizer", """{"type": "Split"}""", "pre_tokenizer.pattern")]
    [TestCase("pre_tokenizer", """{"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}""", "pre_tokenizer.pattern.Regex")]
    [TestCase("pre_tokenizer", """{"type": "Split", "pattern": {"String": "a"}, "behavior": "Dropped"}""", "pre_tokenizer.behavior")]
    [TestCase("normalizer", """{"type": "Replace", "pattern": {"String": ""}, "content": "x"}""", "normalizer.pattern.String")]
    [TestCase("normalizer", """{"type": "Sequence", "normalizers": {}}""", "normalizer.normalizers")]
    public void Parse_DamagedKey_IsNamed(string key, string value, string named)
    {
        JsonNode json = TokenizerData.Json("nfc");
        string[] path = key.Split('.');
        (path.Length == 2 ? json[path[0]]! : json)[path[^1]] = JsonNode.Parse("7");
        string text = json.ToJsonString();
        int place = text.IndexOf($"\"{path[^1]}\":7", StringComparison.Ordinal) + path[^1].Length + 3;
        text = text[..place] + value + text[(place + 1)..];

        TokenizerException? exception = Assert.Throws<TokenizerException>(() => HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(text), "file.json"));

        Assert.That(exception!.Message, Does.StartWith($"file.json: {named}").And.Not.Contain("\n"));
    }

    [Test]
    public void Parse_DeepSequences_AreRefused()
    {
        string deep = string.Concat(Enumerable.Repeat("""{"type": "Sequence", "normalizers": [""", 20)) + string.Concat(Enumerable.Repeat("]}", 20));

        Assert.That(() => TokenizerData.Parse(TokenizerData.Node("""{"normalizer": DEEP, "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}""".Replace("DEEP", deep, StringComparison.Ordinal))), Throws.TypeOf<TokenizerException>());
        Assert.That(() => HuggingFaceTokenizer.Parse(Encoding.UTF8.GetBytes(new string('[', 100_000))), Throws.TypeOf<TokenizerException>());
    }

    [Test]
    public void Load_NoFile_NamesIt() => Assert.That(() => HuggingFaceTokenizer.Load("/no/tokenizer.json"), Throws.TypeOf<TokenizerException>().With.Message.Contains("/no/tokenizer.json"));

    [Test]
    public void Parse_ChangedBytes_LoadsOrSaysWhy([Values("added2", "gemmaT", "uniFuyu", "nfc")] string name)
    {
        byte[] original = Encoding.UTF8.GetBytes(TokenizerData.Json(name).ToJsonString());
        Random random = new(7);
        for (int round = 0; round < 50; round++)
        {
            byte[] json = Damage(original, random);
            try
            {
                HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Parse(json, "file.json");
                foreach (string text in TokenizerData.Texts.Take(60))
                    Assert.That(tokenizer.Encode(text), Is.All.LessThan(tokenizer.VocabularySize));
            }
            catch (TokenizerException exception)
            {
                Assert.That(exception.Message, Does.StartWith("file.json: ").And.Not.Contain("\n"));
            }
        }
    }

    // A few bytes near the beginning or the end, where the settings are, or anywhere; or the file is cut, or a piece of it stands twice.
    private static byte[] Damage(byte[] original, Random random)
    {
        byte[] json = [.. original];
        int Place() => random.Next(3) switch { 0 => random.Next(Math.Min(3000, json.Length)), 1 => json.Length - 1 - random.Next(Math.Min(3000, json.Length)), _ => random.Next(json.Length) };
        switch (random.Next(4))
        {
            case 0:
                return json[..Place()];
            case 1:
                int start = Place(), end = Math.Min(json.Length, start + random.Next(1, 100));
                return [.. json[..end], .. json[start..]];
            default:
                for (int i = random.Next(1, 4); i > 0; i--)
                    json[Place()] = (byte)(random.Next(3) == 0 ? random.Next(256) : "0123456789{}[]\",:truefalsn\\"[random.Next(27)]);
                return json;
        }
    }
}
