#:property PublishAot=false

// Verifies and measures the models on an NVIDIA GPU, and prints one table. Where there is no GPU, or its libraries are missing, it says so in one line and ends with exit code 0.
//
//   dotnet run scripts/cuda.cs [-- --goldens DIR]... [--large unified-decoder-9b] [--rows 1,8,32] [--work DIR] [--tool FILE]
//
// Each folder of goldens is a checkpoint with cases/ (tests/data/neo, gemma4_unified and qwen3_5 by default). It is exported for CUDA as fp16 and int4, and compared with
// the reference by `onnxvlm verify`: fp16 must agree within its rounding, and of int4 the difference is told. Then the large model is written with random weights in both precisions,
// and `onnxvlm bench --parallel` measures it. Exit code 1 where a comparison fails.
//
// --tool is a published onnxvlm for a machine where it cannot be built.

using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;

string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, ".."));
string[] families = ["neo", "gemma4_unified", "qwen3_5"];
string[] goldens = Arguments("--goldens") is { Length: > 0 } given ? given : [.. families.Select(family => Path.Combine(root, "tests", "data", family))];
string large = Arguments("--large").FirstOrDefault() ?? "unified-decoder-9b", rows = Arguments("--rows").FirstOrDefault() ?? "1,8,32";
string work = Arguments("--work").FirstOrDefault() ?? Path.Combine(Path.GetTempPath(), "onnxvlm-cuda");

if (!HasGpu())
{
    Console.WriteLine("No CUDA here: nvidia-smi finds no NVIDIA GPU, so nothing was verified or measured.");
    return 0;
}
string? published = Arguments("--tool").FirstOrDefault();
if (published is null && Run("dotnet", ["build", Path.Combine(root, "src", "OnnxVlm.Cli"), "-c", "Release", "--nologo", "-v", "quiet", "-p:OnnxVlmRuntime=cuda"], Console.WriteLine) != 0)
    return 1;
string tool = Path.Combine(root, "src", "OnnxVlm.Cli", "bin", "Release", "net10.0", "OnnxVlm.Cli.dll");
Directory.CreateDirectory(work);

bool good = true;
List<string[]> table = [["model", "precision", "what", "found"]];
foreach (string checkpoint in goldens)
{
    foreach (string precision in new[] { "fp16", "int4" })
    {
        string folder = Path.Combine(work, $"{Path.GetFileName(checkpoint)}-{precision}");
        if (Tool(["export", "--checkpoint", checkpoint, "--output", folder, "--precision", precision, "--device", "cuda", "--overwrite"], out string exported) != 0)
        {
            Fail(checkpoint, precision, exported);
            continue;
        }
        int code = Tool(["verify", "--model", folder, "--goldens", checkpoint, "--device", "cuda", "--tolerance", precision == "fp16" ? "0.05" : "1000"], out string verified);
        string[] worst = [.. Regex.Matches(verified, @"max \|Δlogit\| (\S+)").Select(match => match.Groups[1].Value).OrderByDescending(value => double.Parse(value, CultureInfo.InvariantCulture)).Take(1)];
        if (code != 0)
            Fail(checkpoint, precision, verified);
        else
            table.Add([Path.GetFileName(checkpoint), precision, "largest difference of a logit", worst.FirstOrDefault() ?? "none"]);
    }
}
foreach (string precision in new[] { "int4", "fp16" })
{
    string folder = Path.Combine(work, $"{large}-{precision}");
    if (!File.Exists(Path.Combine(folder, "onnxvlm.json")) && Tool(["export", "--random-weights", large, "--output", folder, "--precision", precision, "--device", "cuda"], out string exported) != 0)
    {
        Fail(large, precision, exported);
        continue;
    }
    if (Tool(["bench", "--model", folder, "--device", "cuda", "--parallel", rows, "-p", "512", "-n", "64", "--json"], out string measured) != 0)
    {
        Fail(large, precision, measured);
        continue;
    }
    using JsonDocument json = JsonDocument.Parse(measured[measured.IndexOf('{')..]);
    foreach (JsonElement row in json.RootElement.GetProperty("parallel").EnumerateArray())
    {
        table.Add([large, precision, $"{row.GetProperty("streams")} rows", string.Create(CultureInfo.InvariantCulture,
            $"{row.GetProperty("total_tokens_per_second").GetDouble():F1} tokens/s, first token {row.GetProperty("time_to_first_token_ms").GetDouble():F0} ms")]);
    }
}
int[] widths = [.. Enumerable.Range(0, 4).Select(column => table.Max(row => row[column].Length))];
foreach (string[] row in table)
    Console.WriteLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
return good ? 0 : 1;

void Fail(string model, string precision, string output)
{
    good = false;
    table.Add([Path.GetFileName(model), precision, "FAILED", output.Trim().Split('\n')[^1]]);
}

bool HasGpu()
{
    try
    {
        bool found = false;
        return Run("nvidia-smi", ["--query-gpu=name", "--format=csv,noheader"], line => found |= line.Trim().Length > 0) == 0 && found;
    }
    catch (System.ComponentModel.Win32Exception)
    {
        return false;
    }
}

int Tool(string[] arguments, out string output)
{
    List<string> lines = [];
    Console.Error.WriteLine($"onnxvlm {string.Join(' ', arguments)}");
    int code = published is null ? Run("dotnet", [tool, .. arguments], lines.Add) : Run(published, arguments, lines.Add);
    output = string.Join('\n', lines);
    return code;
}

static int Run(string file, string[] arguments, Action<string> line)
{
    ProcessStartInfo start = new(file, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
    using Process process = Process.Start(start)!;
    object both = new();
    process.OutputDataReceived += (_, e) => Take(e.Data);
    process.ErrorDataReceived += (_, e) => Take(e.Data);
    process.BeginOutputReadLine();
    process.BeginErrorReadLine();
    process.WaitForExit();
    return process.ExitCode;

    void Take(string? text)
    {
        lock (both)
        {
            if (text is not null)
                line(text);
        }
    }
}

string[] Arguments(string name) => [.. args.Index().Where(arg => arg.Item == name && arg.Index + 1 < args.Length).Select(arg => args[arg.Index + 1])];

static string ThisFile([CallerFilePath] string path = "") => path;
