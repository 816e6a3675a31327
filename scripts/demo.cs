#:property PublishAot=false

// Builds the command line, then asks the shipped model about a sample image and streams the answer:
//
//   dotnet run scripts/demo.cs [-- <image file> [<question>]]

using System.Diagnostics;
using System.Runtime.CompilerServices;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string model = Path.Combine(root, "onnx-models", "nano");
string image = args.Length > 0 ? Path.GetFullPath(args[0]) : Path.Combine(model, "sample.png");
string question = args.Length > 1 ? args[1] : "What does the text say?";

Console.WriteLine($"demo: building, then asking \"{question}\" about {Path.GetRelativePath(root, image)} …");
string cli = Path.Combine(root, "src", "OnnxVlm.Cli");
if (Run("build", cli, "-c", "Release", "--nologo", "-v", "quiet", "-clp:NoSummary") != 0)
    return 1;
return Run("run", "--no-build", "-c", "Release", "--project", cli, "--", "run", "--model", model, "--image", image, "--prompt", question);

int Run(params string[] arguments)
{
    using Process process = Process.Start(new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = root })!;
    process.WaitForExit();
    return process.ExitCode;
}

static string ThisFile([CallerFilePath] string path = "") => path;
