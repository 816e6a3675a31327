using System.Diagnostics;
using System.Runtime.CompilerServices;
using OnnxVlm.Imaging;
using OnnxVlm.ImageSharp;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Benchmarks;

/// <summary>Decodes damaged images with both decoders, and prints what became of them, the slowest and the peak memory. An exception other than a refusal ends the program.</summary>
internal static class DamagedImagesReport
{
    private static readonly ImageRules Rules = new()
    {
        PatchSize = 8,
        PatchLayout = PatchLayout.RowColumnChannel,
        Resize = new ResizeRule { Rule = ResizeMode.Fit, Filter = ResizeFilter.Bilinear, MaxPatches = 256 },
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        HasPositions = false,
        Tokens = new ImageTokens { Placeholder = 1 },
    };

    public static void Run(int count, int seed, [CallerFilePath] string path = "")
    {
        string data = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "data"));
        string[] folders = [Path.Combine(data, "imaging", "decode"), Path.Combine(data, "imaging", "forms"), Path.Combine(data, "imaging", "orientation"), Path.Combine(data, "ocr", "images")];
        Report("SkiaSharp", new SkiaImageDecoder(), DamagedImages.Create(folders, count, seed));
        Report("ImageSharp", new ImageSharpDecoder(), DamagedImages.Create(folders, count, seed));
    }

    private static void Report(string decoder, IImageDecoder imageDecoder, IEnumerable<(string Name, byte[] Encoded)> images)
    {
        ImagePreprocessor preprocessor = new(Rules, new ImageLimits(), imageDecoder);
        (int decoded, int refused) = (0, 0);
        (TimeSpan Time, string Name) slowest = default;
        foreach ((string name, byte[] encoded) in images)
        {
            long start = Stopwatch.GetTimestamp();
            bool isDecoded = DamagedImages.TryDecode(preprocessor, encoded);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            (decoded, refused) = isDecoded ? (decoded + 1, refused) : (decoded, refused + 1);
            if (time > slowest.Time)
                slowest = (time, name);
        }

        using Process process = Process.GetCurrentProcess();
        Console.WriteLine($"{decoder}: {decoded} decoded, {refused} refused; slowest {slowest.Time.TotalMilliseconds:F0} ms ({slowest.Name}); peak memory of the process so far {process.PeakWorkingSet64 >> 20} MiB");
    }
}
