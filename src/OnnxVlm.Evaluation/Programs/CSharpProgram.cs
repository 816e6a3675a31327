using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OnnxVlm.Evaluation.Programs;

/// <summary>Compiles a C# answer together with a main method that calls it.</summary>
internal static class CSharpProgram
{
    private const string Usings = "global using System; global using System.Collections.Generic; global using System.Linq; global using System.Text;";

    // Arguments are converted to the parameters' types; the result of a call is written as JSON.
    private const string Main = """
        using System.IO;
        using System.Reflection;
        using System.Text.Json;

        internal static class OnnxVlmCaller
        {
            private const BindingFlags Any =
                BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

            private static void Main()
            {
                using JsonDocument task = JsonDocument.Parse(File.ReadAllText("task.json"));
                string? name = task.RootElement.GetProperty("function").GetString();
                MethodInfo method = typeof(OnnxVlmCaller).Assembly.GetTypes()
                    .Where(type => type != typeof(OnnxVlmCaller) && !type.Name.Contains('<')).SelectMany(type => type.GetMethods(Any))
                    .First(method => name is null ? !method.Name.Contains('<') : method.Name == name);
                object? target = method.IsStatic ? null : Activator.CreateInstance(method.DeclaringType!);
                List<object> results = [];
                foreach (JsonElement call in task.RootElement.GetProperty("cases").EnumerateArray())
                {
                    try
                    {
                        object?[] arguments = method.GetParameters()
                            .Zip(call.EnumerateArray(), (parameter, value) => JsonSerializer.Deserialize(value, parameter.ParameterType)).ToArray();
                        results.Add(new { value = JsonSerializer.SerializeToElement(method.Invoke(target, arguments)) });
                    }
                    catch (Exception e)
                    {
                        results.Add(new { error = e.ToString() });
                    }
                }
                File.WriteAllText("results.json", JsonSerializer.Serialize(results));
            }
        }
        """;

    private const long HeapLimitBytes = 256 << 20;

    private static readonly string RuntimeConfig = new JsonObject
    {
        ["runtimeOptions"] = new JsonObject
        {
            ["framework"] = new JsonObject { ["name"] = "Microsoft.NETCore.App", ["version"] = Environment.Version.ToString() },
            ["configProperties"] = new JsonObject { ["System.GC.HeapHardLimit"] = HeapLimitBytes, ["System.Globalization.Invariant"] = true },
        },
    }.ToJsonString();

    private static readonly CSharpParseOptions ParseOptions = new(LanguageVersion.Latest);
    private static readonly Lazy<MetadataReference[]> References = new(FindReferences);

    /// <summary>Compiles the answer and writes it as a program into a folder.</summary>
    /// <param name="code">A method, or whole classes; methods alone are put into a class.</param>
    /// <param name="function">The name of the method that will be called; null for any.</param>
    /// <param name="folder">Receives the program.</param>
    /// <returns>The command that starts it; null when the code does not compile or has no such method.</returns>
    public static (string FileName, string[] Arguments)? Write(string code, string? function, string folder)
    {
        SyntaxTree answer = CSharpSyntaxTree.ParseText(Complete(code), ParseOptions);
        if (function is not null && !answer.GetRoot().DescendantNodes().OfType<MethodDeclarationSyntax>().Any(
            method => method.Identifier.ValueText == function))
            return null;
        CSharpCompilation compilation = CSharpCompilation.Create(
            "answer",
            [answer, CSharpSyntaxTree.ParseText(Usings, ParseOptions), CSharpSyntaxTree.ParseText(Main, ParseOptions)],
            References.Value,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, mainTypeName: "OnnxVlmCaller", optimizationLevel: OptimizationLevel.Release,
            nullableContextOptions: NullableContextOptions.Annotations));
        string path = Path.Combine(folder, "answer.dll");
        using (FileStream file = File.Create(path))
        {
            if (!compilation.Emit(file).Success)
                return null;
        }
        File.WriteAllText(Path.Combine(folder, "answer.runtimeconfig.json"), RuntimeConfig);
        return (FindDotnet(), ["exec", path]);
    }

    // Methods without a class: usings stay at the top, the rest goes into a class.
    private static string Complete(string code)
    {
        CompilationUnitSyntax root = CSharpSyntaxTree.ParseText(code, ParseOptions).GetCompilationUnitRoot();
        if (root.Members.Any(member => member is BaseTypeDeclarationSyntax or BaseNamespaceDeclarationSyntax))
            return code;
        int body = root.Usings.Count > 0 ? root.Usings.Last().FullSpan.End : 0;
        return $"{code[..body]}\npublic class Answer\n{{\n{code[body..]}\n}}\n";
    }

    private static MetadataReference[] FindReferences()
    {
        string runtime = RuntimeEnvironment.GetRuntimeDirectory();
        return [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => path.StartsWith(runtime, StringComparison.Ordinal))
            .Select(path => MetadataReference.CreateFromFile(path))];
    }

    // The running runtime is in ROOT/shared/Microsoft.NETCore.App/VERSION.
    private static string FindDotnet() =>
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
}
