#:property PublishAot=false

// Makes the README's pictures of the web page anew, with the shipped model, into src/OnnxVlm.Server/screenshots:
//
//   dotnet run scripts/screenshots.cs

using System.Diagnostics;
using System.Runtime.CompilerServices;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string folder = Path.Combine(root, "src", "OnnxVlm.Server", "screenshots");
Directory.CreateDirectory(folder);

ProcessStartInfo start = new("dotnet", ["test", Path.Combine(root, "tests", "OnnxVlm.Page.Tests"), "-c", "Release", "--nologo", "--filter", "FullyQualifiedName~ScreenshotTests"]);
start.Environment["OnnxVlmScreenshots"] = folder;
using Process process = Process.Start(start)!;
process.WaitForExit();
foreach (FileInfo picture in new DirectoryInfo(folder).GetFiles("*.png"))
    Console.WriteLine($"screenshots: {Path.GetRelativePath(root, picture.FullName)}, {picture.Length / 1024} KB, {picture.LastWriteTime:T}");
return process.ExitCode;

static string ThisFile([CallerFilePath] string path = "") => path;
