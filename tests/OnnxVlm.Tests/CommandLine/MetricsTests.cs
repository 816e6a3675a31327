using OnnxVlm.Evaluation.Cases;

namespace OnnxVlm.Tests.CommandLine;

/// <summary>How answers are scored, above all those that a model should not have given.</summary>
internal sealed class MetricsTests
{
    [TestCase("""{"a":1,"b":"x"}""", 1, Description = "the same text")]
    [TestCase("""{ "b": "x", "a": 1.0 }""", 1, Description = "another order, other spaces, the same number")]
    [TestCase("""{"a":1,"b":"y"}""", 0)]
    [TestCase("""{"a":1}""", 0)]
    [TestCase("""{"a":1,"b":"x","b":"x"}""", 0, Description = "a key twice")]
    [TestCase("""{"a":1,"b":"\ud800"}""", 0, Description = "half a surrogate pair")]
    [TestCase("""{"a":1,"b":"x""", 0, Description = "cut off")]
    [TestCase("x", 0)]
    [TestCase("", 0)]
    public void Score_Json_ComparesValues(string answer, double score) =>
        Assert.That(Metrics.Score("json", """{"a":1,"b":"x"}""", answer), Is.EqualTo(score));

    [TestCase("3x = 15 so x = 5", 1)]
    [TestCase("5.0", 1)]
    [TestCase("5 or 6", 0)]
    [TestCase("five", 0)]
    [TestCase("", 0)]
    public void Score_Number_ComparesTheLastNumber(string answer, double score) => Assert.That(Metrics.Score("number", "x = 5", answer), Is.EqualTo(score));

    [TestCase("Hello", 1)]
    [TestCase("Hallo", 0.8)]
    [TestCase("", 0)]
    [TestCase("Hello, and much more than was asked for", 0)]
    public void Score_Cer_IsTheShareOfRightCharacters(string answer, double score) => Assert.That(Metrics.Score("cer", "Hello", answer), Is.EqualTo(score).Within(1e-12));

    [TestCase(" Hello ", 1)]
    [TestCase("hello", 0)]
    public void Score_Exact_ComparesTrimmedTexts(string answer, double score) => Assert.That(Metrics.Score("exact", "Hello", answer), Is.EqualTo(score));

    [TestCase("Well, HELLO there", 1)]
    [TestCase("Hell o", 0)]
    public void Score_Contains_IgnoresCase(string answer, double score) => Assert.That(Metrics.Score("contains", "hello", answer), Is.EqualTo(score));
}
