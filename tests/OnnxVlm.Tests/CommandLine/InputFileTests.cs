using System.Diagnostics;
using System.Text;
using OnnxVlm.Cli.Commands;

namespace OnnxVlm.Tests.CommandLine;

internal sealed class InputFileTests
{
    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("onnxvlm-test-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("text", "text")]
    [TestCase("", "")]
    [TestCase("@", "@")]
    [TestCase("@@", "@")]
    [TestCase("@@all", "@all")]
    [TestCase("@@@all", "@@all")]
    [TestCase("a@b", "a@b")]
    public void TextOf_NoFile_IsTheText(string value, string text) => Assert.That(InputFile.TextOf(value, "prompt"), Is.EqualTo(text));

    [Test]
    public void TextOf_File_IsItsTextWithoutByteOrderMark([Values] bool hasMark)
    {
        string file = Path.Combine(_folder, "prompt.txt");
        File.WriteAllText(file, "Was heißt 犬?\n", new UTF8Encoding(hasMark));
        Assert.That(InputFile.TextOf($"@{file}", "prompt"), Is.EqualTo("Was heißt 犬?\n"));
    }

    [Test]
    public void TextOf_NoUtf8_SaysSo()
    {
        string file = Path.Combine(_folder, "prompt.txt");
        File.WriteAllBytes(file, [0xFF, 0xFE, 0x41, 0x00]);
        Assert.That(() => InputFile.TextOf($"@{file}", "prompt"), Throws.TypeOf<IOException>().With.Message.Contains("not UTF-8"));
    }

    [Test]
    public void TextOf_MissingFileOrFolder_SaysSo()
    {
        Assert.That(() => InputFile.TextOf("@no-such-file", "prompt"), Throws.TypeOf<FileNotFoundException>().With.Message.Contains("does not exist"));
        Assert.That(() => InputFile.TextOf($"@{_folder}", "prompt"), Throws.TypeOf<IOException>().With.Message.Contains("is a folder"));
    }

    [Test]
    public void TextOf_StandardInput_IsReadToItsEndOrRefused()
    {
        Assert.That(InputFile.TextOf(new MemoryStream("a question"u8.ToArray()), "prompt"), Is.EqualTo("a question"));
        Assert.That(() => InputFile.TextOf(new EndlessStream(), "prompt"), Throws.TypeOf<IOException>().With.Message.Contains("too large"));
    }

    [Test]
    public void ReadBytes_LargeFile_IsRefusedBeforeItIsRead()
    {
        string file = Path.Combine(_folder, "large.png");
        using (FileStream stream = File.Create(file))
            stream.SetLength(1_500_000_000);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        Assert.That(() => InputFile.ReadBytes(file, "image", 10 << 20), Throws.TypeOf<IOException>().With.Message.Contains("1500000000 bytes"));
        Assert.That(GC.GetTotalAllocatedBytes(precise: true) - before, Is.LessThan(10 << 20));
    }

    [Test]
    public void ReadBytes_Device_IsReadNoFurtherThanTheLimit()
    {
        string device = OperatingSystem.IsWindows() ? Path.Combine(_folder, "growing") : "/dev/zero";
        if (OperatingSystem.IsWindows())
            File.WriteAllBytes(device, new byte[2000]);
        Assert.That(() => InputFile.ReadBytes(device, "image", 1000), Throws.TypeOf<IOException>().With.Message.Contains("at most 1000 bytes"));
    }

    [Test]
    public void ReadBytes_PipeThatNobodyWritesTo_IsRefused()
    {
        if (OperatingSystem.IsWindows())
            return; // a pipe has no name among files there
        string pipe = Path.Combine(_folder, "pipe");
        using (Process make = Process.Start("mkfifo", [pipe]))
            make.WaitForExit();
        Assert.That(() => InputFile.ReadBytes(pipe, "image", 1000), Throws.TypeOf<IOException>().With.Message.Contains("nobody writes to"));
    }

    [Test]
    public void ReadBytes_LinkToNothing_IsMissing()
    {
        string link = Path.Combine(_folder, "link");
        if (!OperatingSystem.IsWindows())
            File.CreateSymbolicLink(link, "nowhere");
        Assert.That(() => InputFile.ReadBytes(link, "image", 1000), Throws.TypeOf<FileNotFoundException>().With.Message.Contains("does not exist"));
    }

    [Test]
    public void ReadBytes_AtTheLimit_IsRead()
    {
        string file = Path.Combine(_folder, "a");
        File.WriteAllBytes(file, new byte[1000]);
        Assert.That(InputFile.ReadBytes(file, "image", 1000), Has.Length.EqualTo(1000));
        Assert.That(() => InputFile.ReadBytes(file, "image", 999), Throws.TypeOf<IOException>());
    }

    /// <summary>Gives zeros for ever.</summary>
    private sealed class EndlessStream : MemoryStream
    {
        public override int Read(Span<byte> buffer)
        {
            buffer.Clear();
            return buffer.Length;
        }
    }
}
