using System.Text.RegularExpressions;

namespace OnnxVlm.Tests.Documentation;

/// <summary>The rules of dependency that CONTRIBUTING.md has: what the files of a folder may not name.</summary>
internal sealed partial class ArchitectureTests
{
    [TestCase("src/OnnxVlm.Tokenizers", @"OnnxVlm\.(?!Tokenizers)")]
    [TestCase("src/OnnxVlm/ModelFolder", @"OnnxVlm\.(Runtime|Imaging|Prompting)\b")]
    [TestCase("src/OnnxVlm/Imaging", @"OnnxVlm\.(Runtime|Prompting|Generation|Chat|Schemas)\b")]
    [TestCase("src/OnnxVlm/Prompting", @"OnnxVlm\.(Runtime|Generation)\b")]
    [TestCase("src/OnnxVlm/Schemas", @"OnnxVlm\.(?!Schemas)")]
    [TestCase("src/OnnxVlm/Runtime", @"OnnxVlm\.Chat\b")]
    [TestCase("src/OnnxVlm.Server/Wire", @"OnnxVlm\.(Runtime|Generation|Prompting)\b")]
    [TestCase("src/OnnxVlm.Server/Wires", @"OnnxVlm\.(Runtime|Generation)\b")]
    [TestCase("src/OnnxVlm.Server/Reading", @"OnnxVlm\.(Runtime|Generation)\b")]
    [TestCase("export/OnnxVlm.Export", @"OnnxVlm\.(Hub|Server|Cli|Evaluation)\b")]
    [TestCase("src/OnnxVlm.Hub", @"OnnxVlm\.(Server|Cli|Evaluation)\b(?! )")]
    public void Files_OfAFolder_DoNotName(string folder, string forbidden) => Assert.That(Naming(folder, new Regex(forbidden)), Is.Empty);

    [Test]
    public void OnnxRuntime_InTheLibrary_IsNamedInRuntimeOnly() =>
        Assert.That(Naming("src/OnnxVlm", new Regex(@"Microsoft\.ML\.OnnxRuntime")).Where(place => !place.StartsWith("src/OnnxVlm/Runtime/", StringComparison.Ordinal)), Is.Empty);

    [Test]
    public void Naming_WhatIsThere_IsFound() => Assert.That(Naming("src/OnnxVlm/Runtime", new Regex(@"Microsoft\.ML\.OnnxRuntime\b")), Is.Not.Empty);

    // Directives and qualified names; comments may name what they like.
    private static IEnumerable<string> Naming(string folder, Regex forbidden)
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Nano.Root, folder), "*.cs", SearchOption.AllDirectories).Where(path => !BuildOutput().IsMatch(path)))
        {
            int number = 0;
            foreach (string line in File.ReadLines(path))
            {
                number++;
                if (forbidden.IsMatch(line) && !NoCode().IsMatch(line))
                    yield return $"{Path.GetRelativePath(Nano.Root, path).Replace('\\', '/')}:{number}: {line.Trim()}";
            }
        }
    }

    [GeneratedRegex(@"[/\\](bin|obj)[/\\]")]
    private static partial Regex BuildOutput();

    [GeneratedRegex(@"^\s*(//|namespace )|"".*(OnnxVlm|Microsoft)\..*""")]
    private static partial Regex NoCode();
}
