using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using OnnxVlm.Hub;

namespace OnnxVlm.Cli.Models;

/// <summary>
/// Shows a pull on stderr: the plan, a question, a progress bar. Without a terminal there is no question, and a line every ten seconds instead of the
/// bar. With <c>--json</c>, events are written to stdout, one object per line.
/// </summary>
/// <param name="json">Whether events are written.</param>
internal sealed class PullConsole(bool json) : IProgress<PullProgress>
{
    private static readonly TimeSpan BarInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan EventInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(10);
    private const int BarWidth = 30;

    private readonly object _lock = new();
    private readonly bool _hasBar = !json && !Console.IsErrorRedirected;
    private readonly TextWriter _text = Console.Error;
    private readonly TextWriter _events = Console.Out;
    private PullProgress _last = new(PullStage.Asking, 0, 0);
    private long _lastWrite = Stopwatch.GetTimestamp();
    private int _barLength;

    /// <summary>Whether a user can answer a question.</summary>
    public static bool CanAsk => !Console.IsInputRedirected && !Console.IsErrorRedirected;

    /// <inheritdoc/>
    public void Report(PullProgress value)
    {
        lock (_lock)
        {
            bool isNew = value.Stage != _last.Stage, isDone = value.BytesTotal > 0 && value.BytesDone == value.BytesTotal && _last.BytesDone != value.BytesDone;
            TimeSpan interval = json ? EventInterval : _hasBar ? BarInterval : LineInterval;
            bool isTime = isNew || isDone || Stopwatch.GetElapsedTime(_lastWrite) >= interval;
            _last = value;
            if (value.Note is string note)
                WriteNote(value, note);
            else if (value.BytesTotal > 0 && isTime)
                WriteProgress(value);
        }
    }

    /// <summary>Shows the plan of a pull.</summary>
    public void ShowPlan(PullPlan plan)
    {
        if (json)
        {
            WriteEvent("plan", Describe(plan));
            return;
        }

        EndBar();
        string parameters = plan.Parameters is long count ? string.Create(CultureInfo.InvariantCulture, $" · {Billions(count)} parameters") : "";
        string license = plan.License is string text ? $" · licence {text}" : plan.Snapshot is null ? " · no licence named" : "";
        _text.WriteLine($"{plan.Reference} @ {plan.Commit[..7]} · {plan.Architecture}{parameters}{license}{(plan.IsGated ? " (gated)" : "")}");
        string download = plan.Snapshot is null ? $"download {Size(plan.DownloadBytes)}" : $"from {plan.Snapshot}";
        string free = plan.FreeDiskBytes is long bytes ? $" of {Size(bytes)} free" : "";
        string memory = plan.Cache is null ? Size(plan.WeightBytes) : $"{Size(plan.ShortMemoryBytes)} at {Math.Min(4096, plan.ContextLength)} " +
            $"tokens{(plan.ContextLength > 4096 ? $", {Size(plan.LongMemoryBytes)} at {Math.Min(32768, plan.ContextLength)}" : "")}";
        _text.WriteLine($"{download} · disk {Size(plan.DiskBytes)}{free} · memory {memory}, this machine has {Size(plan.MachineMemoryBytes)}");
        if (!plan.FitsMemory)
            _text.WriteLine("note: the memory of this machine is too small for it");
    }

    /// <summary>Asks whether to continue.</summary>
    /// <param name="plan">The plan; if the memory is too small, only an explicit yes continues.</param>
    public bool Ask(PullPlan plan)
    {
        EndBar();
        _text.Write(plan.FitsMemory ? "Pull it? [Y/n] " : "Pull it anyway? [y/N] ");
        string? answer = Console.In.ReadLine()?.Trim();
        return answer switch
        {
            null => false,
            "" => plan.FitsMemory,
            _ => answer.StartsWith("y", StringComparison.OrdinalIgnoreCase),
        };
    }

    /// <summary>Reports that a model is ready.</summary>
    public void ShowDone(LocalModel model)
    {
        if (json)
        {
            WriteEvent("done", ("model", model.Reference.ToString()), ("folder", model.Folder), ("size_bytes", model.SizeBytes),
                ("unverified", model.Source?.Unverified));
            return;
        }

        EndBar();
        _text.WriteLine($"{model.Reference}: {Size(model.SizeBytes)} in {model.Folder}");
        if (model.Source?.Unverified is string why)
            _text.WriteLine($"note: unverified: {why}; onnxvlm pull {model.Reference} --verify reads the checkpoint once more and compares");
    }

    /// <summary>Ends the line of the bar, so that something else can be written.</summary>
    public void EndBar()
    {
        lock (_lock)
        {
            if (_barLength > 0)
                _text.WriteLine();
            _barLength = 0;
        }
    }

    /// <summary>A number of bytes in a readable unit.</summary>
    public static string Size(long bytes) => bytes switch
    {
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:F0} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F1} GB"),
    };

    /// <summary>The progress of a pull in one line.</summary>
    internal static string Describe(PullProgress progress)
    {
        string verb = progress.Stage == PullStage.Finishing ? "computing hashes" : "pulling";
        string rate = progress.BytesPerSecond is double bytes ? $" · {Size((long)bytes)}/s" : "";
        string left = progress.TimeLeft is TimeSpan time && progress.BytesDone < progress.BytesTotal ? $" · {Time(time)} left" : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"{verb} {Percent(progress)} % · {Size(progress.BytesDone)} of {Size(progress.BytesTotal)}{rate}{left}");
    }

    private static int Percent(PullProgress progress) => (int)(100 * progress.BytesDone / progress.BytesTotal);

    private static string Time(TimeSpan time) => time.TotalHours >= 1
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes} min")
        : time.TotalMinutes >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min {time.Seconds} s")
        : string.Create(CultureInfo.InvariantCulture, $"{time.Seconds} s");

    private static string Billions(long count) => count >= 1_000_000_000
        ? string.Create(CultureInfo.InvariantCulture, $"{count / 1e9:F2} billion")
        : string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:F1} million");

    private void WriteProgress(PullProgress progress)
    {
        _lastWrite = Stopwatch.GetTimestamp();
        if (json)
        {
            WriteEvent(
                "progress", ("stage", progress.Stage.ToString().ToLowerInvariant()), ("bytes_done", progress.BytesDone), ("bytes_total", progress.BytesTotal),
                ("bytes_per_second", progress.BytesPerSecond is double rate ? Math.Round(rate) : null));
            return;
        }

        string line = Describe(progress);
        if (!_hasBar)
        {
            _text.WriteLine(line);
            return;
        }

        int full = Percent(progress) * BarWidth / 100;
        WriteBar($"[{new string('=', full)}{new string(' ', BarWidth - full)}] {line}");
    }

    private void WriteBar(string line)
    {
        int width = Console.BufferWidth > 1 ? Console.BufferWidth - 1 : 79;
        line = line.Length > width ? line[..width] : line;
        _text.Write('\r' + line.PadRight(Math.Min(_barLength, width)));
        _text.Flush();
        _barLength = line.Length;
    }

    private void WriteNote(PullProgress progress, string note)
    {
        if (json)
        {
            WriteEvent(progress.Stage == PullStage.Waiting ? "waiting" : "note", ("message", note));
            return;
        }

        // A note about a question to the hub is overwritten; notes about waiting, and notes at the end, stay.
        bool stays = progress.Stage is PullStage.Waiting or PullStage.Finishing;
        if (!stays && _hasBar)
        {
            WriteBar(note);
            return;
        }

        EndBar();
        if (stays)
            _text.WriteLine(note);
    }

    private static (string Key, JsonNode? Value)[] Describe(PullPlan plan) =>
    [
        ("model", plan.Reference.ToString()), ("commit", plan.Commit), ("architecture", plan.Architecture), ("license", plan.License), ("gated", plan.IsGated),
        ("parameters", plan.Parameters),
        ("download_bytes", plan.Snapshot is null ? plan.DownloadBytes : 0), ("disk_bytes", plan.DiskBytes), ("free_disk_bytes", plan.FreeDiskBytes),
        ("memory_bytes_4k", plan.ShortMemoryBytes),
        ("memory_bytes_32k", plan.LongMemoryBytes), ("machine_memory_bytes", plan.MachineMemoryBytes), ("folder", plan.Folder),
    ];

    private void WriteEvent(string name, params (string Key, JsonNode? Value)[] entries)
    {
        string line = CliJson.Object([("event", name), .. entries]).ToJsonString(CliJson.Compact.Options);
        lock (_lock)
        {
            _events.WriteLine(line);
            _events.Flush();
        }
    }
}
