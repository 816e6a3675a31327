using Microsoft.Extensions.AI;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Prompting;

/// <summary>A message is one token for each character, and each message costs one more.</summary>
internal sealed class ConversationTrimmerTests
{
    [TestCase(16, "s:S u:one a:two u:three", "")]
    [TestCase(15, "s:S u:three", "u:one a:two")]
    [TestCase(8, "s:S u:three", "u:one a:two")]
    public void Trim_Budget_DropsTheOldestTurns(int maxTokens, string kept, string dropped)
    {
        TrimmedConversation trimmed = ConversationTrimmer.Trim(Parse("s:S u:one a:two u:three"), maxTokens, Count);

        Assert.That((Show(trimmed.Messages), Show(trimmed.Dropped)), Is.EqualTo((kept, dropped)));
        Assert.That(trimmed.TokenCount, Is.EqualTo(Count(trimmed.Messages)));
    }

    [Test]
    public void Trim_AnyBudget_DropsNoMoreThanNeededAndNeverHalfATurn()
    {
        const string Conversation = "a:hello s:A u:1 a:2 t:3 a:4 u:5 u:66 a:7 s:B u:8 a:9 t:10";
        // What is left when 0, 1, … turns are dropped; the greeting is a turn of its own, and the tool's answers belong to theirs.
        string[] stages =
        [
            Conversation,
            "s:A u:1 a:2 t:3 a:4 u:5 u:66 a:7 s:B u:8 a:9 t:10",
            "s:A u:5 u:66 a:7 s:B u:8 a:9 t:10",
            "s:A s:B u:8 a:9 t:10",
        ];
        for (int maxTokens = Count(Parse(stages[^1])); maxTokens <= Count(Parse(Conversation)); maxTokens++)
        {
            string expected = stages.First(stage => Count(Parse(stage)) <= maxTokens);
            TrimmedConversation trimmed = ConversationTrimmer.Trim(Parse(Conversation), maxTokens, Count);
            Assert.That(Show(trimmed.Messages), Is.EqualTo(expected), $"{maxTokens} tokens");
            Assert.That(trimmed.Messages.Count + trimmed.Dropped.Count, Is.EqualTo(Parse(Conversation).Count));
        }
    }

    [Test]
    public void Trim_EvenTheLastTurnIsTooLong_ThrowsWithTheCounts() =>
        Assert.That(() => ConversationTrimmer.Trim(Parse("s:S u:1 a:2 u:34567"), 7, Count), Throws.TypeOf<PromptTooLongException>().With.Message.Contains("8 tokens").And.Message.Contains("7"));

    [Test]
    public void Trim_ManyTurns_CountsFewTimes()
    {
        int counts = 0;
        List<ChatMessage> messages = [.. Enumerable.Range(0, 1000).SelectMany(i => Parse($"u:{i} a:{i}"))];

        ConversationTrimmer.Trim(messages, 500, conversation =>
        {
            counts++;
            return Count(conversation);
        });

        Assert.That(counts, Is.LessThanOrEqualTo(12));
    }

    [Test]
    public void Trim_WrongArguments_Throws()
    {
        Assert.That(() => ConversationTrimmer.Trim([], 5, Count), Throws.ArgumentException);
        Assert.That(() => ConversationTrimmer.Trim(Parse("u:1"), 0, Count), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static int Count(IEnumerable<ChatMessage> messages) => messages.Sum(message => message.Text.Length + 1);

    private static List<ChatMessage> Parse(string text) =>
        [.. text.Split(' ').Select(part => new ChatMessage(part[0] switch { 's' => ChatRole.System, 'u' => ChatRole.User, 'a' => ChatRole.Assistant, _ => ChatRole.Tool }, part[2..]))];

    private static string Show(IEnumerable<ChatMessage> messages) => string.Join(' ', messages.Select(message => $"{message.Role.Value[0]}:{message.Text}"));
}
