using Microsoft.AspNetCore.Http;
using OnnxVlm.Hub.Tests.Support;

namespace OnnxVlm.Hub.Tests;

/// <summary>What cannot be pulled is refused in one line that says what to do, as early as it can be known.</summary>
[TestFixture]
internal sealed class RefusalTests : HubFixture
{
    [Test]
    public Task Pull_NoSuchModel_SaysSo() => RefusesAsync(ModelHubError.NotFound, "there is no model someone/else on 127.0.0.1, or it is private; check the name, or set HF_TOKEN", "someone/else");

    [Test]
    public async Task Pull_PrivateModelWithATokenThatMayNot_SaysSo()
    {
        Environment["HF_TOKEN"] = "hf_other";
        Repository.Readers.Add("hf_owner");
        await RefusesAsync(ModelHubError.NotFound, "or your token may not see it");
    }

    [Test]
    public Task Pull_UnknownRevision_SaysSo() => RefusesAsync(ModelHubError.RevisionNotFound, $"{Id} has no revision v9; {Fake.Endpoint}{Id}/branches lists them", Id + "@v9");

    [Test]
    public async Task Pull_GatedWithoutToken_SaysWhatToDo()
    {
        Repository.Accepted = [];
        await RefusesAsync(ModelHubError.GatedWithoutToken, $"has terms to accept; open {Fake.Endpoint}{Id} in a browser");
    }

    [Test]
    public async Task Pull_GatedWithoutConsent_SaysWhatToDo()
    {
        Repository.Accepted = [];
        Environment["HF_TOKEN"] = "hf_somebody";
        await RefusesAsync(ModelHubError.GatedWithoutConsent, "has terms that your account has not accepted");
    }

    [Test]
    public async Task Pull_TokenThatTheHubRefuses_SaysSoWithoutIt()
    {
        Environment["HF_TOKEN"] = "bad-token-of-this-test";
        Assert.That((await RefusesAsync(ModelHubError.TokenRefused, "the hub refuses the token; make a new one")).Message, Does.Not.Contain("bad-token"));
    }

    [Test]
    public void Pull_TokenWithALineBreakInIt_RefusedWithoutIt()
    {
        Environment["HF_TOKEN"] = "hf_first\nsecond";
        ModelHubException? exception = Assert.Throws<ModelHubException>(() => CreateHub());
        Assert.That(exception!.Message, Does.Contain("HF_TOKEN").And.Not.Contains("hf_first"));
    }

    [Test]
    public async Task Pull_NobodyListens_SaysWhatToCheck()
    {
        Environment["HF_ENDPOINT"] = "http://127.0.0.1:1";
        await RefusesAsync(ModelHubError.Unreachable, "127.0.0.1: cannot be reached (Connection refused");
        Assert.That(Delays, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Pull_NotTheHub_SaysSo()
    {
        Fake.Instead = async (context, _) =>
        {
            await context.Response.WriteAsync("<html>Please log in to the network</html>");
            return true;
        };
        await RefusesAsync(ModelHubError.Other, "what answers is not the hub");
    }

    [Test]
    public async Task Pull_Offline_AsksNobody()
    {
        Environment["HF_HUB_OFFLINE"] = "1";
        await RefusesAsync(ModelHubError.Offline, "HF_HUB_OFFLINE is set");
        Assert.That(Fake.Requests, Is.Empty);
    }

    [Test]
    public void Pull_OtherArchitecture_RefusedFromItsConfigurationAlone()
    {
        Repository.Files["config.json"] = "{\"model_type\": \"qwen2_vl\"}"u8.ToArray();
        Assert.That(() => PullAsync(), Throws.TypeOf<UnsupportedModelException>().With.Message.Contains("found qwen2_vl: it has a vision encoder"));
        Assert.That(Fake.Requests.Where(request => request.Path.Contains("/resolve/", StringComparison.Ordinal)).Select(request => Path.GetFileName(request.Path)), Is.EqualTo(new[] { "config.json" }));
        Assert.That(Directory.Exists(Models) && Directory.EnumerateFiles(Models, "*", SearchOption.AllDirectories).Any(), Is.False);
    }

    [Test]
    public async Task Pull_NoCheckpoint_SaysSo()
    {
        Repository.Files.Clear();
        Repository.Files["model-q4.gguf"] = new byte[10];
        await RefusesAsync(ModelHubError.Other, "has no config.json, but GGUF files, which are not read");
    }

    [Test]
    public async Task Pull_PathThatLeavesTheFolder_RefusedBeforeAnythingIsRead()
    {
        Repository.ListedOnly.Add("../../.bashrc");
        await RefusesAsync(ModelHubError.Damaged, "lists a file \"../../.bashrc\", which would lie outside");
        Assert.That(Fake.Requests, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task Pull_PointerInPlaceOfWeights_SaysSo()
    {
        Repository.Files["model-00002-of-00002.safetensors"] = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"u8.ToArray();
        await RefusesAsync(ModelHubError.Damaged, "model-00002-of-00002.safetensors is a pointer to a large file");
    }

    [Test]
    public async Task Pull_PointerInPlaceOfASmallFile_SaysSo()
    {
        Repository.Files["added_tokens.json"] = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"u8.ToArray();
        await RefusesAsync(ModelHubError.Damaged, "added_tokens.json is a pointer to a large file");
    }

    [Test]
    public void Pull_HeaderThatClaimsTooMuch_RefusedBeforeItIsRead()
    {
        BitConverter.TryWriteBytes(Repository.Files["model-00001-of-00002.safetensors"], 1L << 60);
        Assert.That(() => PullAsync(), Throws.TypeOf<ModelLoadException>().With.Message.Contains("the header says it has 1152921504606846976 bytes"));
        Assert.That(Fake.BytesSent, Is.LessThan(200_000));
    }
}
