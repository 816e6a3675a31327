#:property PublishAot=false

// Draws tests/OnnxVlm.Benchmarks/bench.svg, the README's chart, from what `onnxvlm bench --json` printed: one bar a file, the median with a line from the lowest to the highest.
//
//   onnxvlm bench --model DIR --json > a.json
//   dotnet run scripts/chart.cs -- a.json b.json …

using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

if (args.Length == 0)
{
    Console.Error.WriteLine("chart: give files that onnxvlm bench --json has written");
    return 2;
}

List<JsonElement> results = [];
foreach (string path in args)
{
    try
    {
        results.Add(JsonElement.Parse(File.ReadAllText(path)));
        _ = results[^1].GetProperty("decode_tokens_per_second").GetProperty("median");
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException)
    {
        Console.Error.WriteLine($"chart: {path}: not the output of onnxvlm bench --json ({exception.Message})");
        return 1;
    }
}

const int LabelPx = 220, BarPx = 420, RowPx = 22, TitlePx = 30;
StringBuilder body = new();
int y = 0;
(string Key, string Title, double Unit)[] charts =
    [("prefill_tokens_per_second", "prefill, tokens a second", 1), ("decode_tokens_per_second", "decoding, tokens a second", 1), ("warm_load_ms", "loading, seconds (less is better)", 1e3)];
foreach ((string key, string title, double unit) in charts)
{
    body.Append(CultureInfo.InvariantCulture, $"<text x=\"0\" y=\"{y + 18}\" class=\"title\">{title}</text>\n");
    y += TitlePx;
    double most = results.Max(result => result.GetProperty(key).GetProperty("max").GetDouble());
    foreach (JsonElement result in results)
    {
        JsonElement measured = result.GetProperty(key);
        double scale = BarPx / most, median = measured.GetProperty("median").GetDouble();
        double low = LabelPx + (scale * measured.GetProperty("min").GetDouble()), high = LabelPx + (scale * measured.GetProperty("max").GetDouble());
        string label = System.Security.SecurityElement.Escape($"{result.GetProperty("model").GetString()}, {result.GetProperty("parameters").GetInt64() / 1e6:F1} M");
        body.Append(CultureInfo.InvariantCulture, $"""
            <text x="{LabelPx - 8}" y="{y + 15}" text-anchor="end">{label}</text>
            <rect x="{LabelPx}" y="{y + 3}" width="{scale * median:F1}" height="{RowPx - 6}" rx="2" class="bar"/>
            <path d="M{low:F1} {y + 11}H{high:F1}" class="spread"/>
            <text x="{high + 8:F1}" y="{y + 15}">{median / unit:F1}</text>

            """);
        y += RowPx;
    }
    y += 10;
}

string svg = $$"""
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{LabelPx + BarPx + 90}} {{y}}" role="img" aria-label="Speed of models on {{System.Security.SecurityElement.Escape(results[0].GetProperty("processor").GetString())}}">
    <style>text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.bar{fill:#5b8def}.spread{stroke:#24292f;stroke-width:1.5}
    @media(prefers-color-scheme:dark) { text{fill:#e6edf3} .spread{stroke:#e6edf3} }</style>
    {{body}}</svg>

    """;
string output = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "tests", "OnnxVlm.Benchmarks", "bench.svg");
File.WriteAllText(output, svg.ReplaceLineEndings("\n"));
Console.WriteLine($"chart: {Path.GetFullPath(output)}");
return 0;

static string ThisFile([CallerFilePath] string path = "") => path;
