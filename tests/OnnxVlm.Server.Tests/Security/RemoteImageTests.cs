using System.Net;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Server-side request forgery by image URLs.</summary>
internal sealed class RemoteImageTests
{
    private static readonly byte[] Picture = File.ReadAllBytes(Nano.SampleImage);

    [TestCase("https://example.org/a.png")]
    [TestCase("http://169.254.169.254/latest/meta-data/")]
    [TestCase("http://127.0.0.1:22/")]
    [TestCase("file:///etc/passwd")]
    [TestCase("ftp://example.org/a.png")]
    [TestCase("//example.org/a.png")]
    [TestCase("../../onnx-models/nano/sample.png")]
    public async Task RemoteUrl_Default_IsRefused(string url)
    {
        Reply reply = await SharedService.Service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url } } });

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image_url")));
        Assert.That(reply.Text, Does.Contain("fetches nothing"));
    }

    [TestCase("https://127.0.0.1/a.png")]
    [TestCase("https://localhost/a.png")]
    [TestCase("https://[::1]/a.png")]
    [TestCase("https://2130706433/a.png")]
    [TestCase("https://0x7f.1/a.png")]
    [TestCase("https://169.254.169.254/latest")]
    [TestCase("https://user:password@127.0.0.1/a.png")]
    [TestCase("http://example.org/a.png")]
    [TestCase("https://127.0.0.1:8443/a.png")]
    [TestCase("file:///etc/passwd")]
    [TestCase("not a url")]
    public async Task RemoteUrl_SwitchedOnButNotPublicHttps_IsRefusedWithoutADetail(string url)
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "RemoteImages:Enabled=true");

        Reply reply = await service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url } } });

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image_url")));
        Assert.That(reply.Error.GetProperty("message").GetString(), Is.EqualTo("messages[0].content[0]: the image could not be fetched; send it as a data URI."));
    }

    [TestCase("127.0.0.1")]
    [TestCase("127.255.255.254")]
    [TestCase("0.0.0.0")]
    [TestCase("10.1.2.3")]
    [TestCase("100.64.0.1")]
    [TestCase("169.254.169.254")]
    [TestCase("172.16.0.1")]
    [TestCase("172.31.255.255")]
    [TestCase("192.168.0.1")]
    [TestCase("198.18.0.1")]
    [TestCase("224.0.0.1")]
    [TestCase("255.255.255.255")]
    [TestCase("::1")]
    [TestCase("::")]
    [TestCase("::ffff:127.0.0.1")]
    [TestCase("::ffff:8.8.8.8")]
    [TestCase("64:ff9b::7f00:1")]
    [TestCase("2002:7f00:1::")]
    [TestCase("2001::1")]
    [TestCase("fe80::1")]
    [TestCase("fc00::1")]
    [TestCase("fd12:3456::1")]
    [TestCase("ff02::1")]
    [TestCase("2001:db8::1")]
    public void IsPublic_AddressThatIsNot_IsFound(string address) => Assert.That(PublicConnector.IsPublic(IPAddress.Parse(address)), Is.False);

    [TestCase("8.8.8.8")]
    [TestCase("1.1.1.1")]
    [TestCase("172.32.0.1")]
    [TestCase("2606:4700:4700::1111")]
    public void IsPublic_AddressThatIs_IsFound(string address) => Assert.That(PublicConnector.IsPublic(IPAddress.Parse(address)), Is.True);

    [Test]
    public void Connect_NameWithOnePrivateAddress_IsRefused()
    {
        PublicConnector connector = new((_, _) => Task.FromResult(new[] { IPAddress.Parse("8.8.8.8"), IPAddress.Loopback }), (_, _) => throw new AssertionException("connected"));

        Assert.That(async () => await connector.ConnectAsync(new DnsEndPoint("rebind.example", 443), CancellationToken.None), Throws.InstanceOf<HttpRequestException>());
    }

    [Test]
    public async Task Connect_NameThatChangesItsMind_GoesToTheAddressThatWasChecked()
    {
        int asked = 0;
        IPEndPoint? connected = null;
        PublicConnector connector = new(
            (_, _) => Task.FromResult(new[] { asked++ == 0 ? IPAddress.Parse("8.8.8.8") : IPAddress.Loopback }),
            (endPoint, _) =>
            {
                connected = endPoint;
                return ValueTask.FromResult(Stream.Null);
            });

        await connector.ConnectAsync(new DnsEndPoint("rebind.example", 443), CancellationToken.None);

        Assert.That((asked, connected), Is.EqualTo((1, new IPEndPoint(IPAddress.Parse("8.8.8.8"), 443))));
    }

    [Test]
    public async Task Fetch_RedirectToPublicHttps_IsFollowed()
    {
        byte[] bytes = await FetchAsync(new() { ["https://a.example/"] = Redirect("https://b.example/x"), ["https://b.example/x"] = Redirect("/y"), ["https://b.example/y"] = Ok(Picture) });

        Assert.That(bytes, Is.EqualTo(Picture));
    }

    [TestCase("http://b.example/")]
    [TestCase("file:///etc/passwd")]
    [TestCase("https://b.example:8443/")]
    [TestCase("https://a.example/")]
    public void Fetch_RedirectElsewhereOrWithoutEnd_IsRefused(string target) =>
        Refuses(new() { ["https://a.example/"] = Redirect(target), ["http://b.example/"] = Ok(Picture), ["https://b.example:8443/"] = Ok(Picture) });

    [Test]
    public void Fetch_HostThatIsNotListed_IsRefusedAlsoAfterARedirect()
    {
        ServerOptions options = Options();
        options.RemoteImages.Hosts = ["a.example"];

        Refuses(new() { ["https://a.example/"] = Redirect("https://b.example/"), ["https://b.example/"] = Ok(Picture) }, options);
    }

    [Test]
    public void Fetch_BodyWithoutEnd_IsRefusedAtTheLimit() => Refuses(new() { ["https://a.example/"] = () => new HttpResponseMessage { Content = new StreamContent(new EndlessStream()) } });

    [Test]
    public void Fetch_AnswerThatDoesNotCome_IsRefusedInTime()
    {
        ServerOptions options = Options();
        options.RemoteImages.Timeout = TimeSpan.FromMilliseconds(100);

        Refuses(new() { ["https://a.example/"] = () => new HttpResponseMessage { Content = new StreamContent(new SilentStream()) } }, options);
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task Attack15_SlowHostsOfOneClient_DoNotHoldUpAnother(CancellationToken cancellationToken)
    {
        using RemoteImages images = new(Options(), new FakeWeb(new()
        {
            ["https://slow.example/"] = () => new HttpResponseMessage { Content = new StreamContent(new SilentStream()) },
            ["https://a.example/"] = Ok(Picture),
        }));
        using CancellationTokenSource leaves = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<byte[]>[] slow = [.. Enumerable.Range(0, 20).Select(_ => images.FetchAsync("p", "https://slow.example/", "greedy", leaves.Token))];

        Assert.That(await images.FetchAsync("p", "https://a.example/", "modest", cancellationToken), Is.EqualTo(Picture));

        await leaves.CancelAsync();
        foreach (Task<byte[]> fetch in slow)
            Assert.That(async () => await fetch, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Attack15_UrlOfAnyLength_IsRefused() => Assert.That(
        async () =>
        {
            using RemoteImages images = new(Options(), new FakeWeb([]));
            await images.FetchAsync("p", $"https://a.example/{new string('x', 100_000)}", "client", CancellationToken.None);
        },
        Throws.InstanceOf<ApiException>().With.Message.Contains("2048 characters"));

    private static void Refuses(Dictionary<string, Func<HttpResponseMessage>> web, ServerOptions? options = null) =>
        Assert.That(async () => await FetchAsync(web, options), Throws.InstanceOf<ApiException>().With.Message.EqualTo("p: the image could not be fetched; send it as a data URI."));

    private static async Task<byte[]> FetchAsync(Dictionary<string, Func<HttpResponseMessage>> web, ServerOptions? options = null)
    {
        using RemoteImages images = new(options ?? Options(), new FakeWeb(web));
        return await images.FetchAsync("p", "https://a.example/", "client", CancellationToken.None);
    }

    private static ServerOptions Options() => new() { RemoteImages = new RemoteImageOptions { Enabled = true } };

    private static Func<HttpResponseMessage> Ok(byte[] content) => () => new HttpResponseMessage { Content = new ByteArrayContent(content) };

    private static Func<HttpResponseMessage> Redirect(string target) => () => new HttpResponseMessage(HttpStatusCode.Found) { Headers = { Location = new Uri(target, UriKind.RelativeOrAbsolute) } };

    private sealed class FakeWeb(Dictionary<string, Func<HttpResponseMessage>> web) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => Task.FromResult(web[request.RequestUri!.AbsoluteUri]());
    }

    private sealed class EndlessStream : FakeStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(buffer.Length);
    }

    private sealed class SilentStream : FakeStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }

    private abstract class FakeStream : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
