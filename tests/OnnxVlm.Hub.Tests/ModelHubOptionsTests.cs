using OnnxVlm.Hub.Http;

namespace OnnxVlm.Hub.Tests;

/// <summary>The environment, as Hugging Face's own client reads it, and names of models.</summary>
[TestFixture]
internal sealed class ModelHubOptionsTests
{
    [TestCase("HF_HUB_CACHE=/a;HUGGINGFACE_HUB_CACHE=/b;HF_HOME=/c", "/a")]
    [TestCase("HUGGINGFACE_HUB_CACHE=/b;HF_HOME=/c", "/b")]
    [TestCase("HF_HOME=/c;XDG_CACHE_HOME=/d", "/c/hub")]
    [TestCase("XDG_CACHE_HOME=/d", "/d/huggingface/hub")]
    [TestCase("HOME=/home/me", "/home/me/.cache/huggingface/hub")]
    [TestCase("HOME=/home/me;HF_HOME=~/hf", "/home/me/hf/hub")]
    [TestCase("HOME=/home/me;DISK=/big;HF_HUB_CACHE=$DISK/hf", "/big/hf")]
    [Platform("Linux,MacOsX")]
    public void CacheFolder_AnyEnvironment_IsThatOfTheClient(string environment, string expected) => Assert.That(Options(environment).CacheFolder, Is.EqualTo(expected));

    [TestCase("ONNXVLM_MODELS=/m;XDG_DATA_HOME=/x", "/m")]
    [TestCase("XDG_DATA_HOME=/x;HOME=/home/me", "/x/onnxvlm/models")]
    [TestCase("HOME=/home/me", "/home/me/.local/share/onnxvlm/models")]
    [Platform("Linux,MacOsX")]
    public void ModelsFolder_AnyEnvironment_IsAsDocumented(string environment, string expected) => Assert.That(Options(environment).ModelsFolder, Is.EqualTo(expected));

    [Test]
    public void Token_SeveralPlaces_TheFirstCounts()
    {
        string home = Directory.CreateTempSubdirectory("onnxvlm-hub-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(home, "token"), "hf_file\n");
            File.WriteAllText(Path.Combine(home, "other"), "  hf_other  ");
            Assert.Multiple(() =>
            {
                Assert.That(Options($"HF_HOME={home}").Token, Is.EqualTo("hf_file"));
                Assert.That(Options($"HF_HOME={home};HF_TOKEN_PATH={home}/other").Token, Is.EqualTo("hf_other"));
                Assert.That(Options($"HF_HOME={home};HUGGING_FACE_HUB_TOKEN=hf_old").Token, Is.EqualTo("hf_old"));
                Assert.That(Options($"HF_HOME={home};HUGGING_FACE_HUB_TOKEN=hf_old;HF_TOKEN=hf_new").Token, Is.EqualTo("hf_new"));
                Assert.That(Options($"HF_HOME={home};HF_HUB_DISABLE_IMPLICIT_TOKEN=1").Token, Is.Null);
                Assert.That(Options($"HF_HOME={home}/none").Token, Is.Null);
            });
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    [TestCase("nonsense")]
    [TestCase("ftp://mirror.example")]
    [TestCase("https://")]
    [TestCase("/hf")]
    public void Endpoint_NoAddress_SaysSo(string text) =>
        Assert.That(() => Options($"HF_ENDPOINT={text}"), Throws.TypeOf<ModelHubException>().With.Message.StartsWith("HF_ENDPOINT: expected an address"));

    [TestCase("1e300")]
    [TestCase("Infinity")]
    public void Timeout_OutOfRange_IsADay(string text) =>
        Assert.That(Options($"HF_HUB_ETAG_TIMEOUT={text}").MetadataTimeout, Is.EqualTo(TimeSpan.FromDays(1)));

    [Test]
    public void Endpoint_WithAndWithoutSlash_IsTheSame()
    {
        Assert.That(Options("HF_ENDPOINT=https://mirror.example/hf/").Endpoint, Is.EqualTo(new Uri("https://mirror.example/hf/")));
        Assert.That(Options("HF_ENDPOINT=https://mirror.example/hf").Endpoint, Is.EqualTo(new Uri("https://mirror.example/hf/")));
        Assert.That(Options("").Endpoint, Is.EqualTo(new Uri("https://huggingface.co/")));
    }

    [TestCase("1", true)]
    [TestCase("yes", true)]
    [TestCase("ON", true)]
    [TestCase("0", false)]
    [TestCase("", false)]
    public void IsOffline_ValuesOfTheClient_AreRead(string value, bool expected) => Assert.That(Options($"HF_HUB_OFFLINE={value}").IsOffline, Is.EqualTo(expected));

    [TestCase("gemma-4-12b", "google/gemma-4-12B-it")]
    [TestCase("Neo-9B:int8", "Paranioar/NEO1_5-9B-SFT:int8")]
    [TestCase("a/b@refs/pr/1", "a/b@refs/pr/1")]
    [TestCase("a/b.c_d-e@v1:int4-128-cuda", "a/b.c_d-e@v1:int4-128-cuda")]
    public void Parse_Name_IsRead(string text, string expected) => Assert.That(ModelReference.Parse(text).ToString(), Is.EqualTo(expected));

    [TestCase("nano", "is not a name of a model")]
    [TestCase("../secret", "is not a name of a model")]
    [TestCase("a/../b", "is not a name of a model")]
    [TestCase("a/b/c", "is not a name of a model")]
    [TestCase("a--b/c", "is not a name of a model")]
    [TestCase("a/b.git", "is not a name of a model")]
    [TestCase("a/b@", "has no revision")]
    [TestCase("a/b@../../x", "has no revision")]
    [TestCase("a/b:q4_0", "has no variant")]
    [TestCase("a/b:fp16-32", "has no variant")]
    public void Parse_NoName_SaysWhatIsExpected(string text, string message) =>
        Assert.That(() => ModelReference.Parse(text), Throws.ArgumentException.With.Message.Contains(message).And.Message.Contains("expected"));

    [TestCase("RateLimit", "\"api\";r=0;t=9, \"resolvers\";r=4;t=55", 10)]
    [TestCase("RateLimit", "\"api\";r=3;t=9", 2)]
    [TestCase("Retry-After", "30", 30)]
    [TestCase("Retry-After", "100000", 360)]
    public void Delay_Refusal_IsWhatItSays(string header, string value, int seconds)
    {
        using HttpResponseMessage response = new();
        response.Headers.TryAddWithoutValidation(header, value);
        Assert.That(RateLimit.Delay(response.Headers, attempt: 1), Is.EqualTo(TimeSpan.FromSeconds(seconds)));
    }

    private static ModelHubOptions Options(string environment)
    {
        Dictionary<string, string> values = environment.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(item => item.Split('=', 2)).ToDictionary(item => item[0], item => item[1], StringComparer.Ordinal);
        return new ModelHubOptions(name => values.GetValueOrDefault(name));
    }
}
