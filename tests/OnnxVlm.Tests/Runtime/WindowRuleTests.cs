using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>What the caches of layers with a window keep.</summary>
internal sealed class WindowRuleTests
{
    [TestCase(1024, 256)]
    [TestCase(4096, 256)]
    [TestCase(8, 16)]
    [TestCase(1, 16)]
    public void Slack_Window_IsAQuarterOfItWithinLimits(int window, int slack) => Assert.That(new WindowRule(window, 32).Slack, Is.EqualTo(slack));

    [Test]
    public void Evict_RandomRuns_KeepsWhatRunsSeeAndTheSlack([Values(1, 8, 48, 1024)] int window, [Values(32, 512)] int piece)
    {
        WindowRule rule = new(window, piece);
        Random random = new(window + piece);
        for (int conversation = 0; conversation < 50; conversation++)
        {
            int evicted = 0, length = 0, longest = 0;
            for (int run = 0; run < 300; run++)
            {
                int next = random.Next(10) switch { 0 => random.Next(1, 1200), < 5 => random.Next(1, piece + 1), _ => 1 };
                int now = rule.Evict(evicted, length, next);
                Assert.That(now, Is.GreaterThanOrEqualTo(evicted), "what is gone does not come back");
                Assert.That(rule.CanEndAt(now, length), Is.True, "the run sees a whole window");
                if (next <= piece)
                    Assert.That(length + next - now, Is.LessThanOrEqualTo(rule.MostTokens), "pieces of text need no more than the limit");
                (evicted, length) = (now, length + next);
                longest = Math.Max(longest, length);
                Assert.That(rule.CanEndAt(evicted, Math.Max(0, longest - rule.Slack)), Is.True, "the slack holds");
                if (random.Next(4) == 0)
                    length = Math.Max(0, longest - random.Next(rule.Slack + 1));
                if (length == 0 || random.Next(100) == 0)
                    (evicted, length, longest) = (0, 0, 0);
            }
        }
    }

    [TestCase(0, 5, true)]
    [TestCase(0, 0, true)]
    [TestCase(1, 8, true)]
    [TestCase(1, 7, false)]
    [TestCase(20, 27, true)]
    [TestCase(20, 26, false)]
    [TestCase(20, 0, false)]
    public void CanEndAt_WindowOfEight_NeedsTheSevenBefore(int evicted, int length, bool expected) => Assert.That(new WindowRule(8, 32).CanEndAt(evicted, length), Is.EqualTo(expected));
}
