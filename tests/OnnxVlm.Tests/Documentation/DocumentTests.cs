using System.Text.RegularExpressions;

namespace OnnxVlm.Tests.Documentation;

/// <summary>The documents: links lead somewhere, and README.md stays short.</summary>
internal sealed partial class DocumentTests
{
    public static IEnumerable<string> Documents() => new[] { "src", "export", "onnx-models", "tests" }
        .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Nano.Root, folder), "*.md", SearchOption.AllDirectories))
        .Concat(Directory.EnumerateFiles(Nano.Root, "*.md"))
        .Select(path => Path.GetRelativePath(Nano.Root, path).Replace('\\', '/'))
        .Where(path => !NotOurs().IsMatch(path));

    [TestCaseSource(nameof(Documents))]
    public void Links_OfADocument_LeadToFilesAndHeadings(string document)
    {
        string path = Path.Combine(Nano.Root, document);
        List<string> dead = [];
        foreach (Match link in Link().Matches(Code().Replace(File.ReadAllText(path).ReplaceLineEndings("\n"), "")))
        {
            string[] parts = link.Groups["to"].Value.Split('#');
            string file = parts[0].Length == 0 ? path : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, parts[0]));
            if (!File.Exists(file) && !Directory.Exists(file))
                dead.Add(link.Value);
            else if (parts.Length > 1 && !Headings(file).Contains(parts[1]))
                dead.Add(link.Value);
        }
        Assert.That(dead, Is.Empty);
    }

    [Test]
    public void Readme_Lines_AtMostTwoHundred() => Assert.That(File.ReadLines(Path.Combine(Nano.Root, "README.md")).Count(), Is.LessThanOrEqualTo(200));

    // As GitHub names them: lower case, spaces become hyphens, other signs go.
    private static IEnumerable<string> Headings(string file) => Heading().Matches(Code().Replace(File.ReadAllText(file).ReplaceLineEndings("\n"), ""))
        .Select(heading => NoLetter().Replace(heading.Groups["text"].Value.ToLowerInvariant(), "").Replace(' ', '-'));

    [GeneratedRegex(@"(^|/)(bin|obj|node_modules|runs|artifacts|TestResults)/")]
    private static partial Regex NotOurs();

    [GeneratedRegex(@"\[[^\]]*\]\((?!https?:|mailto:)(?<to>[^)\s]+)\)|<img src=""(?!https?:)(?<to>[^""]+)""")]
    private static partial Regex Link();

    [GeneratedRegex(@"^```.*?^```|^(    |\t)[^\n]*$|`[^`\n]*`", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"^#+ (?<text>[^\n]+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NoLetter();
}
