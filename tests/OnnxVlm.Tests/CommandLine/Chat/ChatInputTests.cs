using OnnxVlm.Cli.Chat;

namespace OnnxVlm.Tests.CommandLine.Chat;

internal sealed class ChatInputTests
{
    [Test]
    public void Parse_MessagesAndCommands_AreToldApart()
    {
        Assert.That(ChatInput.Parse(" Hello / you "), Is.EqualTo(new ChatInput.Message("Hello / you")));
        Assert.That(ChatInput.Parse("//help me"), Is.EqualTo(new ChatInput.Message("/help me")));
        Assert.That(ChatInput.Parse(" \t"), Is.EqualTo(new ChatInput.Nothing()));
        Assert.That(ChatInput.Parse("/system  Be kind. "), Is.EqualTo(new ChatInput.System("Be kind.")));
        Assert.That(ChatInput.Parse("/system"), Is.EqualTo(new ChatInput.System(null)));
        Assert.That(ChatInput.Parse("/save my chat.md"), Is.EqualTo(new ChatInput.Save("my chat.md")));
        Assert.That(ChatInput.Parse("/reset"), Is.EqualTo(new ChatInput.Reset()));
        Assert.That(ChatInput.Parse("/help"), Is.EqualTo(new ChatInput.Help()));
        Assert.That(ChatInput.Parse("/quit"), Is.EqualTo(new ChatInput.Quit()));
    }

    [TestCase("/image", "FILE")]
    [TestCase("/save", "FILE")]
    [TestCase("/quit now", "no argument")]
    [TestCase("/save 'a.md' 'b.md'", "one file")]
    [TestCase("/images a.png", "no command /images")]
    public void Parse_CommandThatCannotBeCarriedOut_SaysWhy(string line, string reason) =>
        Assert.That(ChatInput.Parse(line), Is.TypeOf<ChatInput.Wrong>().With.Property("Reason").Contains(reason));

    [TestCase("a.png", "a.png")]
    [TestCase("my cat.png", "my cat.png")]
    [TestCase("'my cat.png'", "my cat.png")]
    [TestCase("\"my cat.png\"", "my cat.png")]
    [TestCase(@"my\ cat.png", "my cat.png")]
    [TestCase(@"'it'\''s.png'", "it's.png")]
    [TestCase("it's a cat.png", "it's a cat.png")]
    [TestCase("'never closed.png", "'never closed.png")]
    [TestCase("'a b.png' \"c.png\"", "a b.png|c.png")]
    [TestCase(@"a\ b.png c.png", "a b.png|c.png")]
    [TestCase("file:///tmp/my%20cat.png", "/tmp/my cat.png")]
    public void SplitPaths_Unix_ReadsWhatTerminalsWrite(string argument, string expected) =>
        Assert.That(ChatInput.SplitPaths(argument, windows: false), Is.EqualTo(expected.Split('|')));

    [TestCase(@"C:\my cats\a.png", @"C:\my cats\a.png")]
    [TestCase("\"C:\\my cats\\a.png\"", @"C:\my cats\a.png")]
    public void SplitPaths_Windows_KeepsBackslashes(string argument, string expected) =>
        Assert.That(ChatInput.SplitPaths(argument, windows: true), Is.EqualTo(new[] { expected }));
}
