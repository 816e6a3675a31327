using System.Globalization;
using Microsoft.AspNetCore.Http;
using OnnxVlm.Export;
using OnnxVlm.Hub.Tests.Support;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub.Tests;

/// <summary>What the hub does, and what goes wrong on the way.</summary>
[TestFixture]
internal sealed class ProtocolTests : HubFixture
{
    [TestCase(Precision.Int4)]
    [TestCase(Precision.Fp32)]
    public async Task Pull_Checkpoint_HasTheBytesOfAnExportFromDisk(Precision precision)
    {
        Recorder recorder = new();
        LocalModel model = await PullAsync(options: new PullOptions { Precision = precision }, progress: recorder);
        ExpectExportOf(model, precision);
        Assert.That(model.Source, Is.EqualTo(new ModelSource { Name = Id, Revision = Repository.Commit }));
        PullProgress last = recorder.All.Last(progress => progress.Stage == PullStage.Downloading);
        Assert.That(last.BytesDone, Is.EqualTo(last.BytesTotal).And.EqualTo(Repository.Files.Where(file => FakeRepository.IsLarge(file.Key)).Sum(file => file.Value.Length)));
    }

    [Test]
    public async Task Pull_AnyRequest_IsPinnedPlainAndSaysWhoAsks()
    {
        await PullAsync();
        Assert.Multiple(() =>
        {
            Assert.That(Fake.Requests.Select(request => request.AcceptEncoding), Is.All.EqualTo("identity"));
            Assert.That(Fake.Requests.Select(request => request.UserAgent), Is.All.StartsWith("onnxvlm/"));
            Assert.That(Fake.Requests.Where(request => request.Path.Contains("/resolve/", StringComparison.Ordinal)).Select(request => request.Path), Is.All.Contains($"/resolve/{Repository.Commit}/"));
            Assert.That(Fake.Requests.Where(request => request.IsStorage).Select(request => request.Range), Is.All.Matches<string?>(range => range is not null && !range.Contains(',')));
            Assert.That(Fake.Requests.Where(request => !request.IsStorage).Select(request => request.Range), Is.All.Null);
        });
    }

    [Test]
    public async Task Pull_WithToken_SendsItToTheHubAndNowhereElse()
    {
        const string Token = "hf_SecretOfThisTest";
        Environment["HF_TOKEN"] = Token;
        Repository.Accepted = [Token];
        Recorder recorder = new();
        await PullAsync(progress: recorder);
        Assert.That(Fake.Requests.Where(request => !request.IsStorage).Select(request => request.Authorization), Is.All.EqualTo("Bearer " + Token));
        Assert.That(Fake.Requests.Where(request => request.IsStorage), Is.Not.Empty.And.All.Property("Authorization").Null);
        Assert.That(recorder.Notes, Is.All.Not.Contains(Token));
        Assert.That(new ModelHubOptions(name => Environment.GetValueOrDefault(name)).ToString(), Does.Not.Contain(Token));
    }

    [Test]
    public async Task Pull_OtherRevision_PinsItsCommitAndKeepsItApart()
    {
        LocalModel model = await PullAsync(Id + "@v1/stable");
        Assert.That(Fake.Requests.First().Path, Does.Contain("/revision/v1%2Fstable"));
        Assert.That(model.Reference.ToString(), Is.EqualTo($"{Id}@v1/stable:int8"));
        using ModelHub hub = CreateHub();
        Assert.That(hub.Find(ModelReference.Parse(Id + "@v1/stable"))!.Folder, Is.EqualTo(model.Folder));
        Assert.That(hub.Find(ModelReference.Parse($"{Id}@{Repository.Commit}"))!.Folder, Is.EqualTo(model.Folder));
        Assert.That(hub.Find(ModelReference.Parse(Id + "@v2")), Is.Null);
    }

    [Test]
    public async Task Pull_ListWithoutLengths_ReadsTheTreeToItsLastPageOnTheMirror()
    {
        Repository.ListsSizes = false;
        Repository.PageSize = 2;
        LocalModel model = await PullAsync();
        ExpectExportOf(model, Precision.Int8);
        Assert.That(Fake.Requests.Count(request => request.Path.Contains("/tree/", StringComparison.Ordinal)), Is.EqualTo((Repository.Files.Count + 1) / 2));
    }

    [Test]
    public async Task Pull_HashOnlyInTheRedirect_IsCheckedToo()
    {
        Repository.ListsHashes = false;
        Assert.That((await PullAsync()).Source!.Unverified, Is.Null);
        Fake.Damage = (_, _, bytes) => bytes[^1] ^= 1;
        Assert.That(() => PullAsync(options: new PullOptions { Precision = Precision.Fp32 }), Throws.TypeOf<ModelLoadException>().With.Message.Contains("expected SHA-256"));
    }

    [Test]
    public async Task Pull_SignedAddressExpires_AsksForAnotherOne()
    {
        int answers = 0;
        Fake.Instead = (_, request) =>
        {
            if (request.IsStorage && Interlocked.Increment(ref answers) == 3)
                Fake.ExpiredSignatures = 2;
            return Task.FromResult(false);
        };
        LocalModel model = await PullAsync();
        ExpectExportOf(model, Precision.Int8);
        Assert.That(Fake.Requests.Count(request => request.Method == "HEAD"), Is.GreaterThan(2));
    }

    [Test]
    public async Task Pull_EverySignedAddressRefused_StopsAfterTheSecond()
    {
        Fake.ExpiredSignatures = int.MaxValue;
        await RefusesAsync(ModelHubError.Unreachable, "answers 403 Forbidden, to a new address too (<Error><Code>AccessDenied</Code>");
        Assert.That(Fake.Requests.Count(request => request.IsStorage), Is.LessThanOrEqualTo(2));
    }

    [Test]
    public async Task Pull_ConnectionsCutInTheMiddle_GoOnAfterTheLastByte()
    {
        Fake.CutsAfterBytes = 200_000;
        LocalModel model = await PullAsync();
        ExpectExportOf(model, Precision.Int8);

        // What was on its way when a connection ended is sent again, and nothing else.
        Assert.That(Fake.BytesSent, Is.LessThan(2 * Repository.Files.Where(file => FakeRepository.IsLarge(file.Key)).Sum(file => file.Value.Length)));
    }

    [Test]
    public async Task Pull_ServerFallsSilent_TriesAgain()
    {
        Environment["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.3";
        int answers = 0;
        Fake.Instead = async (context, request) =>
        {
            if (!request.IsStorage || Interlocked.Increment(ref answers) != 3)
                return false;
            context.Response.StatusCode = 206;
            await context.Response.Body.WriteAsync(new byte[10]);
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
            return true;
        };
        Recorder recorder = new();

        // The ten zeros are taken for the beginning of the range: the hash finds that out.
        Assert.That(() => PullAsync(progress: recorder), Throws.TypeOf<ModelLoadException>());
        Fake.Instead = null;
        ExpectExportOf(await PullAsync(), Precision.Int8, ModelManifest.FileName);
        Assert.That(recorder.Notes, Has.Some.Contains("the connection is silent"));
    }

    [TestCase("gzip")]
    [TestCase("whole")]
    [TestCase("other range")]
    [TestCase("longer")]
    public async Task Pull_AnswerOfAnotherForm_IsNotTaken(string form)
    {
        int answers = 0;
        bool always = false;
        Fake.Instead = async (context, request) =>
        {
            if (!request.IsStorage || (Interlocked.Increment(ref answers) > 2 && !always))
                return false;
            byte[] content = Repository.Files["model-00001-of-00002.safetensors"];
            context.Response.StatusCode = form is "gzip" or "whole" ? 200 : 206;
            if (form == "gzip")
                context.Response.Headers.ContentEncoding = "gzip";
            if (form == "other range")
                context.Response.Headers.ContentRange = $"bytes 5-{content.Length - 1}/{content.Length}";
            if (form is "longer" or "other range")
                content = [.. content, 1, 2, 3];
            context.Response.ContentLength = content.Length;
            await context.Response.Body.WriteAsync(content);
            return true;
        };
        ExpectExportOf(await PullAsync(), Precision.Int8);
        (always, answers) = (true, 0);
        using ModelHub hub = CreateHub();
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(() => hub.PullAsync(Id, new PullOptions { PullsAgain = true }));
        Assert.That(exception!.Message, Does.Contain("also after 5 tries").And.Contains("the answer"));
    }

    [Test]
    public async Task Pull_RateLimit_WaitsAsTold()
    {
        int requests = 0;
        Fake.Instead = async (context, request) =>
        {
            int number = Interlocked.Increment(ref requests);
            if (number > 3)
                return false;
            await FakeHub.RefuseAsync(context, 429, null, "Too many requests", number == 1 ? ("RateLimit", "\"resolvers\";r=0;t=55") : number == 2 ? ("Retry-After", "7") : ("X-Nothing", "1"));
            return true;
        };
        Recorder recorder = new();
        await PullAsync(progress: recorder);
        Assert.That(Delays, Is.EqualTo(new[] { TimeSpan.FromSeconds(56), TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(4) }));
        Assert.That(recorder.Notes, Has.Some.EqualTo("the hub asks for a pause (rate limit): trying again in 56 s"));
    }

    [TestCase(429, ModelHubError.RateLimited, "still refuses requests (429) after 5 pauses")]
    [TestCase(503, ModelHubError.Unreachable, "answers 503 Service Unavailable, also after 5 tries")]
    public async Task Pull_HubStaysBusy_GivesUp(int status, ModelHubError error, string message)
    {
        Fake.Instead = async (context, _) =>
        {
            await FakeHub.RefuseAsync(context, status, null, "busy");
            return true;
        };
        await RefusesAsync(error, message);
        Assert.That(Delays.Sum(delay => delay.TotalSeconds), Is.EqualTo(1 + 2 + 4 + 8 + 8));
    }

    [Test]
    public async Task Pull_StorageFailsNowAndThen_GoesOn()
    {
        int answers = 0;
        Fake.Instead = async (context, request) =>
        {
            if (!request.IsStorage || Interlocked.Increment(ref answers) % 2 == 0)
                return false;
            await FakeHub.RefuseAsync(context, 500 + (answers % 4), null, "broken");
            return true;
        };
        ExpectExportOf(await PullAsync(), Precision.Int8);
    }

    [Test]
    public async Task Pull_RevisionThatMoves_IsNoticed()
    {
        int heads = 0;
        Fake.Instead = (_, request) =>
        {
            if (request.Method == "HEAD" && Interlocked.Increment(ref heads) == 1)
                Repository.Commit = new string('b', 40);
            return Task.FromResult(false);
        };
        ModelHubException? exception = await Assert.ThrowsAsync<ModelHubException>(() => PullAsync());
        Assert.That(exception!.Message, Does.Contain(new string('a', 40)));
    }

    [Test]
    public async Task Pull_FileOfAnotherLengthThanListed_IsNoticed()
    {
        Fake.Instead = async (context, request) =>
        {
            if (request.Method != "HEAD" || !request.Path.Contains("00002-of", StringComparison.Ordinal))
                return false;
            context.Response.StatusCode = 302;
            context.Response.Headers["X-Linked-Size"] = "5";
            context.Response.Headers.Location = Fake.Storage.ToString();
            await context.Response.CompleteAsync();
            return true;
        };
        await RefusesAsync(ModelHubError.Damaged, string.Create(CultureInfo.InvariantCulture, $"has 5 bytes, and {Repository.Files["model-00002-of-00002.safetensors"].Length} were listed"));
    }

    [Test]
    public async Task Pull_OneByteFlippedOnTheWay_IsCaughtAndOnlyThatFileIsReadAgain()
    {
        Fake.Damage = (path, first, bytes) =>
        {
            if (path.Contains("00002-of", StringComparison.Ordinal) && first > 0)
                bytes[^7] ^= 4;
        };
        Assert.That(() => PullAsync(), Throws.TypeOf<ModelLoadException>().With.Message.Contains("model-00002-of-00002.safetensors: expected SHA-256"));
        using (ModelHub hub = CreateHub())
            Assert.That(hub.List().Single().State, Is.EqualTo(LocalModelState.Partial));
        Fake.Damage = null;
        long before = Fake.BytesSent;
        LocalModel model = await PullAsync();
        ExpectExportOf(model, Precision.Int8, ModelManifest.FileName);
        Assert.That(Fake.BytesSent - before, Is.LessThan(Repository.Files["model-00002-of-00002.safetensors"].Length + 250_000));
    }

    [Test]
    public async Task Pull_SmallFileDamaged_IsCaught()
    {
        Fake.Instead = async (context, request) =>
        {
            if (!request.Path.Contains("resolve-cache", StringComparison.Ordinal) || !request.Path.Contains("config.json", StringComparison.Ordinal))
                return false;
            byte[] content = [.. Repository.Files["config.json"]];
            content[5] ^= 1;
            context.Response.ContentLength = content.Length;
            await context.Response.Body.WriteAsync(content);
            return true;
        };
        await RefusesAsync(ModelHubError.Damaged, "config.json: expected the hash");
    }
}
