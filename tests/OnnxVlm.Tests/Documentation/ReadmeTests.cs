using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace OnnxVlm.Tests.Documentation;

/// <summary>Each <c>```csharp</c> block of a README.md is a whole program, and compiles as one without a warning.</summary>
internal sealed partial class ReadmeTests
{
    // What ImplicitUsings gives a console project.
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly CSharpParseOptions Language = new(LanguageVersion.Latest);

    private static readonly MetadataReference[] References =
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(path => MetadataReference.CreateFromFile(path))];

    private static IEnumerable<TestCaseData> Snippets()
    {
        foreach (string document in DocumentTests.Documents())
        {
            string heading = "";
            foreach (Match part in HeadingOrSnippet().Matches(File.ReadAllText(Path.Combine(Nano.Root, document)).ReplaceLineEndings("\n")))
            {
                if (part.Groups["heading"].Success)
                    heading = part.Groups["heading"].Value;
                else
                    yield return new TestCaseData(part.Groups["code"].Value).SetArgDisplayNames($"{document}: {heading}");
            }
        }
    }

    [TestCaseSource(nameof(Snippets))]
    public void Snippet_OfReadme_Compiles(string code) => Assert.That(Diagnostics(code), Is.Empty);

    [Test]
    public void Readme_HasSnippets() => Assert.That(Snippets().Count(), Is.GreaterThanOrEqualTo(10));

    [TestCase("VlmModel.Load(1);", "VlmModel")]
    [TestCase("string text = null;", "CS8600")]
    [TestCase("using Console.WriteLine", "CS1002")]
    public void Snippet_ThatIsWrong_IsFound(string code, string found) => Assert.That(string.Join('\n', Diagnostics(code)), Does.Contain(found));

    private static IEnumerable<Diagnostic> Diagnostics(string code)
    {
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Snippet",
            [CSharpSyntaxTree.ParseText(ImplicitUsings, Language), CSharpSyntaxTree.ParseText(code, Language)],
            References,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        return compilation.GetDiagnostics().Where(diagnostic => diagnostic.Severity >= DiagnosticSeverity.Warning);
    }

    [GeneratedRegex(@"^#+ (?<heading>[^\n]+)$|^```csharp\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex HeadingOrSnippet();
}
