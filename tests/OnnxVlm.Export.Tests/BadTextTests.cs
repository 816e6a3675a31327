using System.Text;
using OnnxVlm.Export.Tests.Support;

namespace OnnxVlm.Export.Tests;

/// <summary>Invalid UTF-8 in each JSON file of a checkpoint gives one line that names the file.</summary>
[TestFixture]
public sealed class BadTextTests : ExportFixture
{
    private const string Index = "model.safetensors.index.json", Shard = "model-00002-of-00003.safetensors";

    [SetUp]
    public void SetUp() => new TinyModel().Write(Folder["hf"], shards: 3);

    [Test]
    public void Export_BadBytes_OneLineNamesTheFile(
        [Values("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", Index, Shard)] string name,
        [Values("{\"\u00FF\":1}", "{\"a\":\"\u00FF\"}", "{\"a\":\"\\ud83d\"}", "{\"\\udc00\":1}", "{\"a\":{\"b\":[\"\u00C3(\"]}}",
        "{\"a\":\"\u00ED\u00A0\u0080\"}")] string json)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(json);
        string path = Path.Combine(Folder["hf"], name);
        File.WriteAllBytes(path, name == Shard ? [.. BitConverter.GetBytes((long)bytes.Length), .. bytes] : bytes);
        Refuses(name);
    }

    [TestCase("dtype")]
    [TestCase("shape")]
    [TestCase("F32")]
    [TestCase(".weight")]
    public void Export_BadByteInAHeader_NamesTheFile(string word)
    {
        string path = Path.Combine(Folder["hf"], Shard);
        string file = Encoding.Latin1.GetString(File.ReadAllBytes(path));
        int last = file.IndexOf(word, StringComparison.Ordinal) + word.Length - 1;
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(string.Concat(file.AsSpan(0, last), "\u00FF", file.AsSpan(last + 1))));
        Refuses(Shard);
    }

    [Test]
    public void Export_NeoWithABadByteInAddedTokens_NamesTheFile()
    {
        new TinyNeo().Write(Folder["neo"]);
        File.WriteAllBytes(Path.Combine(Folder["neo"], "added_tokens.json"), Encoding.Latin1.GetBytes("{\"<IMG_CONTEXT>\":90,\"<img\u00FF>\":91}"));
        Refuses("added_tokens.json", "neo");
    }

    [Test]
    public void Export_ByteOrderMark_IsRead()
    {
        string path = Path.Combine(Folder["hf"], "config.json");
        File.WriteAllBytes(path, [0xEF, 0xBB, 0xBF, .. File.ReadAllBytes(path)]);
        Assert.That(Exporter.Export(Options).Architecture, Is.EqualTo("unified_decoder"));
    }

    private void Refuses(string name, string checkpoint = "hf")
    {
        VlmException? exception = Assert.Catch<VlmException>(
            () => Exporter.Export(new ExportOptions { CheckpointFolder = Folder[checkpoint], OutputFolder = Folder["out"] }));
        TestContext.Out.WriteLine(exception!.Message.Replace(Folder.Path, "…", StringComparison.Ordinal));
        Assert.That(exception.Message, Does.Contain(name).And.Not.Contain("\n"));
        Assert.That(Directory.Exists(Folder["out"]), Is.False, "nothing is left");
    }
}
