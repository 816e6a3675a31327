using OnnxVlm.Cli.Chat;
using OnnxVlm.Generation;

namespace OnnxVlm.Tests.CommandLine;

internal sealed class PrefillLineTests
{
    [Test]
    public void Report_LongPrompt_ShowsALineThatIsGoneAtTheEnd()
    {
        StringWriter writer = new();
        PrefillLine line = new(writer);

        line.Report(new PrefillProgress(100, 1000, 0, TimeSpan.FromSeconds(0.5)));
        Assert.That(writer.ToString(), Is.Empty);
        line.Report(new PrefillProgress(250, 1000, 0, TimeSpan.FromSeconds(5)));
        Assert.That(writer.ToString(), Is.EqualTo("\rreading: 250 of 1000 tokens, 15 s left"));
        line.Report(new PrefillProgress(1000, 1000, 0, TimeSpan.FromSeconds(20)));
        Assert.That(writer.ToString(), Does.EndWith($"\r{new string(' ', 38)}\r"));
    }

    [Test]
    public void Report_ShortPrompt_ShowsNothing()
    {
        StringWriter writer = new();

        new PrefillLine(writer).Report(new PrefillProgress(10, 10, 0, TimeSpan.FromSeconds(9)));

        Assert.That(writer.ToString(), Is.Empty);
    }
}
