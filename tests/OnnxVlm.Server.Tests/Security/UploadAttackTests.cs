using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Tests.Support;
using OnnxVlm.Server.Uploads;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Images that are sent ahead: who may name them, how many are kept and how long.</summary>
internal sealed class UploadAttackTests
{
    private static readonly byte[] Sample = File.ReadAllBytes(Path.Combine(Nano.Folder, "sample.png"));

    [Test]
    public async Task Upload_ThenNamedByItsHash_IsSeen()
    {
        await using TestService service = await TestService.StartAsync(null);
        Reply uploaded = await PostAsync(service, Sample);
        string url = $"upload:{Convert.ToHexStringLower(SHA256.HashData(Sample))}";
        Assert.That((uploaded.Status, uploaded.Json.GetProperty("url").GetString(), uploaded.Json.GetProperty("expires_in").GetInt64()), Is.EqualTo((HttpStatusCode.OK, url, 3600L)));

        Reply byName = await AskAsync(service, url), whole = await AskAsync(service, $"data:image/png;base64,{Convert.ToBase64String(Sample)}");
        Assert.That(byName.Content, Is.EqualTo(whole.Content).And.Not.Empty);
        Reply limits = await service.GetAsync("/v1/uploads");
        Assert.That(limits.Text, Is.EqualTo("""{"max_images":64,"max_image_bytes":10485760,"max_image_pixels":40000000}"""));
    }

    [Test]
    public async Task OtherKey_NamesIt_NotFound()
    {
        await using TestService service = await TestService.StartAsync(null, "ApiKeys:0=one", "ApiKeys:1=two");
        Reply uploaded = await PostAsync(service, Sample, "one");
        string url = uploaded.Json.GetProperty("url").GetString()!;
        Assert.That((await AskAsync(service, url, "one")).Status, Is.EqualTo(HttpStatusCode.OK));
        Reply other = await AskAsync(service, url, "two");
        Assert.That((other.Status, other.ErrorCode), Is.EqualTo((HttpStatusCode.NotFound, "upload_not_found")));
        Assert.That((await PostAsync(service, Sample)).Status, Is.EqualTo(HttpStatusCode.Unauthorized));
        Assert.That((await service.GetAsync("/v1/uploads")).Status, Is.EqualTo(HttpStatusCode.Unauthorized));
    }

    [TestCase("upload:")]
    [TestCase("upload:../../etc/passwd")]
    [TestCase("upload:0000000000000000000000000000000000000000000000000000000000000000")]
    public async Task UnknownName_NotFound(string url)
    {
        await using TestService service = await TestService.StartAsync(null);
        Reply reply = await AskAsync(service, url);
        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.NotFound, "upload_not_found")));
    }

    [TestCase("text/plain")]
    [TestCase("application/x-www-form-urlencoded")]
    [TestCase("application/json")]
    [TestCase(null)]
    public async Task OtherMediaType_IsRefused_SoThatNoForeignPageCanSendIt(string? type)
    {
        await using TestService service = await TestService.StartAsync(null);
        Assert.That((await PostAsync(service, Sample, type: type)).Status, Is.EqualTo(HttpStatusCode.UnsupportedMediaType));
    }

    [Test]
    public async Task NoImage_OrTooLarge_IsRefusedAndNotKept()
    {
        await using TestService service = await TestService.StartAsync(null);
        Reply text = await PostAsync(service, "no image"u8.ToArray());
        Assert.That((text.Status, text.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image")));
        Assert.That((await PostAsync(service, new byte[(10 << 20) + 1])).Status, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
        Assert.That(service.Get<UploadStore>().SizeBytes, Is.Zero);
    }

    [Test]
    public void ManyUploads_OfOneKey_TakeItsHalfAndLeaveTheOthersTheirs()
    {
        UploadStore store = new(new ServerOptions { MaxUploadBytes = 1 << 20 }, TimeProvider.System);
        string first = store.Add("1 ::1", [1]);
        for (int i = 0; i < 100; i++)
            store.Add("0 ::1", BitConverter.GetBytes(i)); // small ones count more than they have
        Assert.That(store.SizeBytes, Is.LessThanOrEqualTo((1 << 19) + (1 << 16)));
        Assert.That(store.Find("x", "1 ::1", first), Is.EqualTo(new byte[] { 1 }));
        for (int key = 2; key < 50; key++)
        {
            for (int i = 0; i < 10; i++)
                store.Add($"{key} ::1", BitConverter.GetBytes(i));
            Assert.That(store.SizeBytes, Is.LessThanOrEqualTo(1 << 20));
        }
        store.Add("0 ::1", new byte[2 << 20]);
        Assert.That(store.SizeBytes, Is.LessThanOrEqualTo(1 << 20), "one that is larger than everything is not kept");
    }

    [Test]
    public void Upload_NotUsedForAnHour_IsForgottenAndAUseKeepsIt()
    {
        ManualTime time = new();
        UploadStore store = new(new ServerOptions(), time);
        (string used, string unused) = (store.Add("0 ::1", [1]), store.Add("0 ::1", [2]));
        time.Advance(TimeSpan.FromMinutes(50));
        store.Find("x", "0 ::1", used);
        time.Advance(TimeSpan.FromMinutes(20));
        Assert.That(store.Find("x", "0 ::2", used), Has.Length.EqualTo(1), "the same key from another address");
        Assert.That(() => store.Find("x", "0 ::1", unused), Throws.InstanceOf<ApiException>().With.Property("Status").EqualTo(404));
        time.Advance(TimeSpan.FromMinutes(61));
        Assert.That(() => store.Find("x", "0 ::1", used), Throws.InstanceOf<ApiException>());
        Assert.That(store.SizeBytes, Is.Zero);
    }

    private sealed class ManualTime : TimeProvider
    {
        private DateTimeOffset _now = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => _now;

        public void Advance(TimeSpan time) => _now += time;
    }

    private static Task<Reply> AskAsync(TestService service, string url, string? key = null) => service.PostAsync(
        "/v1/chat/completions", TestService.Chat(new object[] { new { type = "image_url", image_url = new { url } }, new { type = "text", text = "What does the text say?" } }), key);

    private static async Task<Reply> PostAsync(TestService service, byte[] body, string? key = null, string? type = "image/png")
    {
        using ByteArrayContent content = new(body);
        content.Headers.ContentType = type is null ? null : new MediaTypeHeaderValue(type);
        using HttpRequestMessage request = new(HttpMethod.Post, "/v1/uploads") { Content = content };
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await service.Client.SendAsync(request);
        return await Reply.ReadAsync(response);
    }
}
