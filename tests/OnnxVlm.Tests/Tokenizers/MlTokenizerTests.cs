using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using OnnxVlm.Prompting;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>Compiled only where NuGet serves Microsoft.ML.Tokenizers. The judge is the tokenizer of the loaded model.</summary>
internal sealed class MlTokenizerTests
{
    private readonly MlTokenizer _tokenizer = MlTokenizer.Load(Nano.Folder);

    [Test]
    public void Encode_RandomTexts_EqualsTheModelsTokenizer()
    {
        Random random = new(11);
        for (int round = 0; round < 3000; round++)
        {
            string text = RandomText(random, Nano.Model.Vocabulary.SpecialTokens);
            Assert.That(_tokenizer.Encode(text), Is.EqualTo(Nano.Model.Tokenizer.Encode(text)), () => $"round {round}: {Escape(text)}");
        }
    }

    /// <summary>
    /// With a vocabulary that merges any two bytes, the tokens show where each piece begins. Texts with a blank before a line end and another behind it are left out:
    /// the native tokenizer does not split them as its own pattern says.
    /// </summary>
    [Test]
    public void Encode_VocabularyOfAllPairs_SplitsAsTheModelsTokenizer()
    {
        string folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;
        try
        {
            foreach (string file in Directory.EnumerateFiles(Nano.Folder))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
            File.WriteAllText(Path.Combine(folder, "tokenizer.json"), MergeAllPairs(File.ReadAllText(Path.Combine(folder, "tokenizer.json"))));
            using VlmModel model = VlmModel.Load(folder, new VlmOptions { VerifyHashes = false });
            MlTokenizer tokenizer = MlTokenizer.Load(folder);
            Random random = new(13);
            for (int round = 0; round < 3000; round++)
            {
                string text = RandomText(random, model.Vocabulary.SpecialTokens);
                if (Regex.IsMatch(text, @"\s[\r\n]+[^\S\r\n]"))
                    continue;
                Assert.That(tokenizer.Encode(text), Is.EqualTo(model.Tokenizer.Encode(text)), () => $"round {round}: {Escape(text)}");
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void Count_RandomTexts_EqualsTheModelsTokenizer()
    {
        Random random = new(12);
        TokenCounter counter = TokenCounter.Load(Nano.Folder, _tokenizer), judge = TokenCounter.Load(Nano.Folder, Nano.Model.Tokenizer);
        for (int round = 0; round < 1000; round++)
        {
            string text = RandomText(random, Nano.Model.Vocabulary.SpecialTokens);
            Assert.That(counter.Count(text), Is.EqualTo(judge.Count(text)), () => $"round {round}: {Escape(text)}");
        }
    }

    [Test]
    public void Encode_NothingOrOneCharacter_Works()
    {
        Assert.That(_tokenizer.Encode(""), Is.Empty);
        Assert.That(_tokenizer.Encode("a"), Is.EqualTo(Nano.Model.Tokenizer.Encode("a")));
    }

    [Test]
    public void Encode_ManyThreads_GivesTheSame()
    {
        const string Text = "Several threads use one tokenizer. 𝒜😀 <|im_end|> 12345";
        int[] expected = _tokenizer.Encode(Text);

        Assert.That(ParallelEnumerable.Range(0, 200).Select(_ => _tokenizer.Encode(Text)).All(ids => ids.SequenceEqual(expected)));
    }

    [TestCase("model.type", "\"WordPiece\"")]
    [TestCase("model.ignore_merges", "true")]
    [TestCase("model.byte_fallback", "true")]
    [TestCase("model.dropout", "0.1")]
    [TestCase("model.end_of_word_suffix", "\"</w>\"")]
    [TestCase("normalizer", """{"type": "NFKC"}""")]
    [TestCase("normalizer", """{"type": "Sequence", "normalizers": []}""")]
    [TestCase("pre_tokenizer", """{"type": "Metaspace"}""")]
    [TestCase("pre_tokenizer", """{"type": "ByteLevel", "add_prefix_space": true}""")]
    [TestCase("pre_tokenizer", """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}""")]
    public void Load_SettingThatCannotBeFollowed_ThrowsNamingTheKey(string key, string value) =>
        WithTokenizer(key, value, folder => Assert.That(() => MlTokenizer.Load(folder), Throws.TypeOf<UnsupportedModelException>().With.Message.Contains(key)));

    [Test]
    public void Load_Nfc_IsRefusedWithoutUnicodeNormalization() => WithTokenizer("normalizer", """{"type": "NFC"}""", folder =>
    {
        if ("e\u0301".Normalize(NormalizationForm.FormC) == "é")
            Assert.That(MlTokenizer.Load(folder).Encode("cafe\u0301"), Is.EqualTo(_tokenizer.Encode("café")));
        else
            Assert.That(() => MlTokenizer.Load(folder), Throws.TypeOf<UnsupportedModelException>().With.Message.Contains("InvariantGlobalization"));
    });

    [TestCase("model.vocab", "{}")]
    [TestCase("model.vocab", "3")]
    [TestCase("model.merges", "null")]
    [TestCase("pre_tokenizer", "null")]
    public void Load_DamagedFile_Throws(string key, string value) =>
        WithTokenizer(key, value, folder => Assert.That(() => MlTokenizer.Load(folder), Throws.TypeOf<ModelLoadException>()));

    [Test]
    public void Load_Gpt2Pattern_SplitsAsGpt2Does() => WithTokenizer("pre_tokenizer", """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}""", folder =>
        Assert.That(MlTokenizer.Load(folder).Encode("it's"), Is.EqualTo(_tokenizer.Encode("it's"))));

    private static void WithTokenizer(string key, string value, Action<string> test)
    {
        string folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;
        try
        {
            JsonNode root = JsonNode.Parse(File.ReadAllText(Path.Combine(Nano.Folder, "tokenizer.json")))!;
            string[] path = key.Split('.');
            JsonNode parent = path.Length == 2 ? root[path[0]]! : root;
            parent[path[^1]] = JsonNode.Parse(value);
            File.WriteAllText(Path.Combine(folder, "tokenizer.json"), root.ToJsonString());
            test(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string MergeAllPairs(string tokenizerJson)
    {
        JsonNode root = JsonNode.Parse(tokenizerJson)!;
        string[] bytes = [.. root["model"]!["vocab"]!.AsObject().Where(token => token.Key.Length == 1).Select(token => token.Key)];
        JsonObject vocabulary = new(bytes.Select((text, id) => KeyValuePair.Create<string, JsonNode?>(text, id)));
        JsonArray merges = [];
        // Special tokens keep their ids, which the model folder names; pairs come behind them.
        int next = 2000;
        foreach (string first in bytes)
        {
            foreach (string second in bytes)
            {
                vocabulary[first + second] = next++;
                merges.Add($"{first} {second}");
            }
        }
        root["model"]!["vocab"] = vocabulary;
        root["model"]!["merges"] = merges;
        return root.ToJsonString();
    }

    // Words, numbers, blanks and signs of many scripts, letters and digits outside the Basic Multilingual Plane, halves of pairs, pieces of special tokens.
    private static string RandomText(Random random, IReadOnlyList<string> special)
    {
        string[] pieces =
        [
            "word", "Word", "don't", "WE'LL", "it's", " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "1", "2024", "3.14", "...", "!?", "-", "—", "é", "e\u0301", "ß", "日本語", "한국어", "עברית", "العربية",
            "हिन्दी", "ไทย", "٣", "½", "Ⅷ", "😀", "👩‍💻", "🇩🇪", "𝒜", "𝟗", "𠮷", "𐐀", "\U0001D165", "\U000E0001", "\uFFFD", "\uE0A0", "<|", "|>", "im_end", "_", "=", "{\"a\": [1]}", "http://x.org/?q=1", "\u200B", "ſ", "K", "'", "'s", "'T",
        ];
        StringBuilder text = new();
        for (int i = random.Next(1, 16); i > 0; i--)
        {
            text.Append(random.Next(12) switch
            {
                0 => special[random.Next(special.Count)],
                1 => new Rune(RandomScalar(random)).ToString(),
                _ => pieces[random.Next(pieces.Length)],
            });
        }
        return text.ToString();
    }

    // From blocks whose characters have kept their categories since Unicode 13, which is what the native tokenizer knows. U+0085 is no blank to it.
    private static int RandomScalar(Random random)
    {
        (int first, int end) = random.Next(7) switch { 0 => (0x86, 0x860), 1 => (0x900, 0xC00), 2 => (0x3000, 0x9F00), 3 => (0x10000, 0x10500), 4 => (0x1D400, 0x1D800), 5 => (0x1F300, 0x1F900), _ => (0x20000, 0x2A600) };
        return random.Next(first, end);
    }

    private static string Escape(string text) => string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c.ToString() : $"\\u{(int)c:X4}"));
}
