using System.Text.Json.Nodes;
using OnnxVlm.Export.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Tests.ModelFolder;

[TestFixture]
public sealed class ModelManifestTests : ExportFixture
{
    private string Manifest => Path.Combine(Folder["out"], ModelManifest.FileName);

    [SetUp]
    public void SetUp()
    {
        new TinyModel().Write(Folder["hf"]);
        Exporter.Export(Options);
    }

    [Test]
    public void Load_NoFolder_SaysSo() =>
        Assert.That(() => ModelManifest.Load(Folder["none"]), Throws.TypeOf<ModelLoadException>().With.Message.Contains("no such model folder"));

    [Test]
    public void Load_NoManifest_SaysSo() =>
        Assert.That(() => ModelManifest.Load(Folder["hf"]), Throws.TypeOf<ModelLoadException>().With.Message.Contains("onnxvlm.json: missing"));

    [TestCase("format_version", "null", "format_version")]
    [TestCase("format_version", "[2]", "format_version")]
    [TestCase("format_version", "4", "format_version: expected 3, found 4")]
    [TestCase("format_version", "1", "format_version: expected 3, found 1")]
    [TestCase("format_version", "1", "onnxvlm export --checkpoint DIR --output")]
    [TestCase("precision", "\"fp64\"", "precision: expected fp32, fp16, int8, int4, found \"fp64\"")]
    [TestCase("context_length", "0", "context_length")]
    [TestCase("context_length", "\"many\"", "context_length")]
    [TestCase("end_token_ids", "[]", "end_token_ids")]
    [TestCase("end_token_ids", "[96]", "end_token_ids: expected 0 to 95, found 96")]
    [TestCase("image", "null", "image")]
    [TestCase("sliding_window", "0", "sliding_window: expected 1 or more, found 0")]
    [TestCase("surprise", "1", "surprise")]
    [TestCase("files", "{\"../evil\": \"00\"}", "plain file names")]
    [TestCase("files", "{\"model.onnx\": \"00\"}", "files.model.onnx: expected 64")]
    [TestCase("files", "{}", "expected an entry for model.onnx")]
    public void Load_BadValue_NamesKey(string key, string json, string message)
    {
        Change(manifest => manifest[key] = JsonNode.Parse(json));
        Refuses(message);
    }

    [TestCase("architecture")]
    [TestCase("files")]
    [TestCase("image")]
    public void Load_MissingKey_NamesIt(string key)
    {
        Change(manifest => manifest.Remove(key));
        Refuses(key);
    }

    [Test]
    public void Load_PlaceholderBeyondVocabulary_NamesKey()
    {
        Change(manifest => manifest["image"]!["tokens"]!["placeholder"] = 96);
        Refuses("image.tokens.placeholder: expected 0 to 95, found 96");
    }

    [Test]
    public void Load_DuplicateKey_Refused()
    {
        File.WriteAllText(Manifest, File.ReadAllText(Manifest).Replace("{\n  \"format", "{\n  \"architecture\": \"x\",\n  \"format", StringComparison.Ordinal));
        Refuses("onnxvlm.json");
    }

    [Test]
    public void Load_NotJson_SaysSo()
    {
        File.WriteAllText(Manifest, "hello");
        Refuses("onnxvlm.json");
    }

    [Test]
    public void VerifyFiles_ChangedByte_NamesFileAndHashes()
    {
        var manifest = ModelManifest.Load(Folder["out"]);
        string path = Path.Combine(Folder["out"], "model.onnx.data");
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        File.WriteAllBytes(path, bytes);
        ModelLoadException? exception = Assert.Throws<ModelLoadException>(() => manifest.VerifyFiles(Folder["out"]));
        Assert.That(exception!.Message,
            Does.Contain(path).And.Contain(manifest.Files["model.onnx.data"]).And.Contain(ModelManifest.HashFile(path)).And.Contain("again"));
    }

    [Test]
    public void VerifyFiles_MissingFile_NamesIt()
    {
        File.Delete(Path.Combine(Folder["out"], "tokenizer.json"));
        Assert.That(() => ModelManifest.Load(Folder["out"]).VerifyFiles(Folder["out"]),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains("tokenizer.json").And.Message.Contains("missing"));
    }

    [Test]
    public void VerifyFiles_LinkOut_Refused()
    {
        string path = Path.Combine(Folder["out"], "model.onnx.data");
        File.Move(path, Folder["elsewhere"]);
        File.CreateSymbolicLink(path, Folder["elsewhere"]);
        Assert.That(() => ModelManifest.Load(Folder["out"]).VerifyFiles(Folder["out"]),
            Throws.TypeOf<ModelLoadException>().With.Message.Contains("found a link"));
    }

    [Test]
    public void VerifyFiles_LinkInside_Accepted()
    {
        string path = Path.Combine(Folder["out"], "model.onnx.data");
        File.Move(path, Path.Combine(Folder["out"], "blob"));
        File.CreateSymbolicLink(path, "blob");
        Assert.That(() => ModelManifest.Load(Folder["out"]).VerifyFiles(Folder["out"]), Throws.Nothing);
    }

    [Test]
    public void VerifyFiles_FolderIsALink_Accepted()
    {
        Directory.CreateSymbolicLink(Folder["link"], Folder["out"]);
        File.Move(Path.Combine(Folder["out"], "model.onnx.data"), Path.Combine(Folder["out"], "blob"));
        File.CreateSymbolicLink(Path.Combine(Folder["out"], "model.onnx.data"), "blob");
        Assert.That(() => ModelManifest.Load(Folder["link"]).VerifyFiles(Folder["link"]), Throws.Nothing);
    }

    [Test]
    public void VerifyFiles_Cancelled_Throws() =>
        Assert.That(() => ModelManifest.Load(Folder["out"]).VerifyFiles(Folder["out"], new CancellationToken(canceled: true)),
            Throws.InstanceOf<OperationCanceledException>());

    private void Refuses(string message)
    {
        ModelLoadException? exception = Assert.Throws<ModelLoadException>(() => ModelManifest.Load(Folder["out"]));
        TestContext.Out.WriteLine(exception!.Message.Replace(Folder.Path, "…", StringComparison.Ordinal));
        Assert.That(exception.Message, Does.Contain(message).And.Contain("again"));
        Assert.That(exception.Message, Does.Not.Contain('\n'));
    }

    private void Change(Action<JsonObject> change)
    {
        JsonObject manifest = JsonNode.Parse(File.ReadAllText(Manifest))!.AsObject();
        change(manifest);
        File.WriteAllText(Manifest, manifest.ToJsonString());
    }
}
