using OnnxVlm.Cli;
using OnnxVlm.Cli.Commands;

namespace OnnxVlm.Tests.CommandLine;

internal sealed class StrictNumberTests
{
    [TestCase("0.2", 0.2)]
    [TestCase("-1", -1)]
    [TestCase("1e-3", 0.001)]
    public void TryParse_Number_IsRead(string text, double expected)
    {
        Assert.That(StrictNumber.TryParse(text, out double number), Is.True);
        Assert.That(number, Is.EqualTo(expected));
    }

    [TestCase("0,2")]
    [TestCase("1,000")]
    [TestCase("1e999")]
    [TestCase("NaN")]
    [TestCase("Infinity")]
    [TestCase("0.2x")]
    [TestCase(" 0.2")]
    [TestCase("٠.٢")]
    [TestCase("０.２")]
    [TestCase("")]
    [TestCase("0x1")]
    public void TryParse_AnythingElse_IsNot(string text) => Assert.That(StrictNumber.TryParse(text, out _), Is.False);

    [TestCase("--temperature", "0,2")]
    [TestCase("--top-p", "0,9")]
    [TestCase("--min-p", "0,1")]
    [TestCase("--repetition-penalty", "1e999")]
    [TestCase("--presence-penalty", "NaN")]
    [TestCase("--frequency-penalty", "１")]
    [TestCase("--logit-bias", "64=0,5")]
    [TestCase("--logit-bias", "64=NaN")]
    [TestCase("--top-k", "1,000")]
    [TestCase("--seed", "1.5")]
    public async Task Run_NumberThatIsNone_IsAWrongArgument(string option, string value)
    {
        TextWriter before = Console.Error;
        using StringWriter error = new();
        Console.SetError(error);
        try
        {
            int code = await Program.RunAsync("run", "--model", Nano.Folder, "--prompt", "hi", option, value);
            Assert.That(code, Is.EqualTo(2));
            Assert.That(error.ToString(), Does.Contain(option).And.Contain(value));
        }
        finally
        {
            Console.SetError(before);
        }
    }
}
