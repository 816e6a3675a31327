using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using System.Text;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests.Security;

/// <summary>Attacks by images: bombs, absurd sides, many frames, damage, forged kinds, too many.</summary>
internal sealed class ImageAttackTests
{
    private static TestService Service => SharedService.Service;

    [Test]
    public async Task ImageBomb_HeaderOfGigapixels_IsRefusedBeforeItIsDecoded()
    {
        byte[] bomb = Png(50_000, 50_000, data: new byte[100]);
        long before = GC.GetTotalAllocatedBytes();

        Reply reply = await ImageAsync(bomb);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image")), reply.Text);
        Assert.That(reply.Error.GetProperty("message").GetString(), Does.Contain("50000×50000").And.Contain("messages[0].content[0]"));
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(50_000_000), "7.5 GB decoded");
    }

    [Test]
    public async Task ImageBomb_DataThatInflatesWithoutEnd_IsRefused()
    {
        using MemoryStream zipped = new();
        using (ZLibStream zip = new(zipped, CompressionLevel.SmallestSize, leaveOpen: true))
            zip.Write(new byte[200_000_000]);

        Reply reply = await ImageAsync(Png(16, 16, zipped.ToArray()));

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK).Or.EqualTo(HttpStatusCode.BadRequest), "what is more than the header says is not decoded");
        await AssertAliveAsync();
    }

    [Test]
    public async Task LargeFile_OverTheLimit_IsRefused()
    {
        await using TestService service = await TestService.StartAsync(new ScriptedLoader(["x"]), "Images:MaxBytes=1000");

        Reply reply = await service.ChatAsync(Image(new byte[1001]));

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image")), reply.Text);
        Assert.That(reply.Text, Does.Contain("1000"));
    }

    [TestCase(1, 1)]
    [TestCase(3, 100)]
    [TestCase(10_000, 4)]
    [TestCase(4, 10_000)]
    [TestCase(0, 100)]
    public async Task TinyOrElongatedImage_IsRefusedWithTheReason(int width, int height)
    {
        Reply reply = await ImageAsync(Png(width, height, new byte[10]));

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image")));
        Assert.That(reply.Error.GetProperty("message").GetString(), Does.Contain($"{width}×{height}"));
    }

    [Test]
    public async Task ManyFrames_Gif_IsRefusedOrTheFirstFrameOnly()
    {
        // A GIF of two frames, 8 by 8.
        byte[] frame = [0x2C, 0, 0, 0, 0, 8, 0, 8, 0, 0, 2, 2, 0x44, 1, 0];
        byte[] gif = [.. "GIF89a"u8, 8, 0, 8, 0, 0x80, 0, 0, 0, 0, 0, 255, 255, 255, .. Enumerable.Repeat(frame, 10_000).SelectMany(bytes => bytes), 0x3B];

        Reply reply = await ImageAsync(gif);

        Assert.That(reply.Status, Is.EqualTo(HttpStatusCode.OK).Or.EqualTo(HttpStatusCode.BadRequest), reply.Text);
        await AssertAliveAsync();
    }

    [Test]
    public async Task DamagedImage_SaysNothingOfTheDecoder()
    {
        byte[] damaged = await File.ReadAllBytesAsync(Nano.SampleImage);
        for (int i = 60; i < damaged.Length - 20; i += 7)
            damaged[i] ^= 0x5A;

        Reply reply = await ImageAsync(damaged);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image")), reply.Text);
        Assert.That(reply.Text, Does.Not.Match("0x[0-9a-f]{4}|Exception|/|at OnnxVlm|onnx"));
    }

    [TestCase("not an image at all")]
    [TestCase("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file:///etc/passwd\"/></svg>")]
    [TestCase("%PDF-1.7")]
    public async Task AnotherKindOfFile_IsRefused(string text)
    {
        Reply reply = await ImageAsync(Encoding.UTF8.GetBytes(text));

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image")));
    }

    [TestCase("data:image/png;base64,@@@@")]
    [TestCase("data:image/png,rawdata")]
    [TestCase("data:text/html;base64,PGI+")]
    [TestCase("data:image/png;base64")]
    [TestCase("data:")]
    public async Task DataUriThatIsNone_IsRefused(string url)
    {
        Reply reply = await Service.ChatAsync(new object[] { new { type = "image_url", image_url = new { url } } });

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "invalid_image_url")), reply.Text);
    }

    [Test]
    public async Task SixtyFiveImages_AreRefused()
    {
        object[] parts = [.. Enumerable.Repeat<object>(new { type = "image_url", image_url = new { url = Nano.SampleUri } }, 65)];

        Reply reply = await Service.ChatAsync(parts);

        Assert.That((reply.Status, reply.ErrorCode), Is.EqualTo((HttpStatusCode.BadRequest, "too_many_images")));
    }

    [Test]
    public async Task Images_InTheLog_AreNeverShown()
    {
        await ImageAsync(Encoding.UTF8.GetBytes("payload that must not be logged"));

        Assert.That(Service.Log.Lines, Has.None.Contains(Convert.ToBase64String("payload that must"u8)[..16]));
        Assert.That(Service.Log.Lines, Has.None.Contains("payload that must"));
    }

    private static Task<Reply> ImageAsync(byte[] file) => Service.ChatAsync(Image(file), new { max_tokens = 1 });

    private static object[] Image(byte[] file) => [new { type = "image_url", image_url = new { url = $"data:image/png;base64,{Convert.ToBase64String(file)}" } }];

    private static async Task AssertAliveAsync() => Assert.That((await Service.GetAsync("/health")).Status, Is.EqualTo(HttpStatusCode.OK));

    // 8-bit grey with right checksums.
    private static byte[] Png(int width, int height, byte[] data)
    {
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        return [0x89, .. "PNG\r\n"u8, 0x1A, 0x0A, .. Chunk("IHDR", header), .. Chunk("IDAT", data), .. Chunk("IEND", [])];
    }

    private static byte[] Chunk(string type, byte[] data)
    {
        byte[] chunk = new byte[12 + data.Length];
        BinaryPrimitives.WriteInt32BigEndian(chunk, data.Length);
        Encoding.ASCII.GetBytes(type, chunk.AsSpan(4));
        data.CopyTo(chunk, 8);
        BinaryPrimitives.WriteUInt32BigEndian(chunk.AsSpan(8 + data.Length), Crc32(chunk.AsSpan(4, 4 + data.Length)));
        return chunk;
    }

    private static uint Crc32(ReadOnlySpan<byte> data)
    {
        uint crc = ~0u;
        foreach (byte value in data)
        {
            crc ^= value;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }
        return ~crc;
    }
}
