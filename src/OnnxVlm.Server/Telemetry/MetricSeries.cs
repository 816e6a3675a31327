using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace OnnxVlm.Server.Telemetry;

/// <summary>The values of one instrument: a number, or a histogram, for each combination of its tags. Safe to use from several threads.</summary>
internal sealed class MetricSeries
{
    // A tag with ever new values must not fill the memory; beyond this many, values are added up in one series.
    private const int MaxCombinations = 1000;
    private const string Overflow = "otel_metric_overflow=\"true\"";

    // OpenTelemetry's bounds for durations in seconds; an instrument may advise others.
    private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Sample> _samples = [];
    private readonly Instrument _instrument;
    private readonly string _type;
    private readonly bool _adds;
    private readonly double[]? _bounds;

    /// <summary>Starts empty.</summary>
    /// <param name="instrument">The instrument.</param>
    public MetricSeries(Instrument instrument)
    {
        _instrument = instrument;
        string kind = instrument.GetType().Name;
        kind = kind[..(kind.IndexOf('`', StringComparison.Ordinal) is > 0 and int end ? end : kind.Length)];
        _type = kind switch
        {
            "Counter" or "ObservableCounter" => "counter",
            "Histogram" => "histogram",
            _ => "gauge",
        };
        _adds = kind is "Counter" or "UpDownCounter";
        if (_type == "histogram")
            _bounds = [.. BoundsOf(instrument)];
        Name = NameOf(instrument, _type);
    }

    /// <summary>The metric's name: dots become underscores, the unit is at the end, and the name of a counter ends in <c>_total</c>.</summary>
    public string Name { get; }

    /// <summary>Forgets the last values of observed instruments, which report them again.</summary>
    public void BeginCollection()
    {
        if (!_instrument.IsObservable)
            return;
        lock (_lock)
            _samples.Clear();
    }

    /// <summary>Records a measurement.</summary>
    /// <param name="value">The number.</param>
    /// <param name="tags">Its tags.</param>
    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        string labels = LabelsOf(tags);
        lock (_lock)
        {
            if (!_samples.TryGetValue(labels, out Sample? sample))
            {
                if (_samples.Count >= MaxCombinations && !_samples.TryGetValue(labels = Overflow, out sample) || sample is null)
                    _samples[labels] = sample = new Sample(_bounds?.Length ?? 0);
            }
            if (_bounds is not null)
                sample.Add(value, _bounds);
            else
                sample.Value = _adds ? sample.Value + value : value;
        }
    }

    /// <summary>Writes help and type.</summary>
    /// <param name="text">Where to.</param>
    public void WriteHeader(StringBuilder text)
    {
        if (_instrument.Description is { Length: > 0 } help)
            text.Append("# HELP ").Append(Name).Append(' ').Append(help.Replace("\\", "\\\\", StringComparison.Ordinal).ReplaceLineEndings(" ")).Append('\n');
        text.Append("# TYPE ").Append(Name).Append(' ').Append(_type).Append('\n');
    }

    /// <summary>Writes the numbers.</summary>
    /// <param name="text">Where to.</param>
    public void WriteSamples(StringBuilder text)
    {
        lock (_lock)
        {
            foreach ((string labels, Sample sample) in _samples)
            {
                if (_bounds is null)
                    Write(text, "", labels, "", sample.Value);
                else
                    WriteHistogram(text, labels, sample);
            }
        }
    }

    private void WriteHistogram(StringBuilder text, string labels, Sample sample)
    {
        long below = 0;
        for (int i = 0; i < _bounds!.Length; i++)
        {
            below += sample.Buckets[i];
            Write(text, "_bucket", labels, Number(_bounds[i]), below);
        }
        Write(text, "_bucket", labels, "+Inf", sample.Count);
        Write(text, "_sum", labels, "", sample.Value);
        Write(text, "_count", labels, "", sample.Count);
    }

    private void Write(StringBuilder text, string suffix, string labels, string bound, double value)
    {
        string all = bound.Length == 0 ? labels : labels.Length == 0 ? $"le=\"{bound}\"" : $"{labels},le=\"{bound}\"";
        text.Append(Name).Append(suffix);
        if (all.Length > 0)
            text.Append('{').Append(all).Append('}');
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.IsEmpty)
            return "";
        SortedDictionary<string, string> labels = new(StringComparer.Ordinal);
        foreach ((string key, object? value) in tags)
            labels[Legal(key)] = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        return string.Join(',', labels.Select(label => $"{label.Key}=\"{Escape(label.Value)}\""));
    }

    private static string Escape(string value) => value
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);

    private static string NameOf(Instrument instrument, string type)
    {
        string name = Legal(instrument.Name);
        string unit = instrument.Unit switch
        {
            "s" => "_seconds",
            "ms" => "_milliseconds",
            "By" => "_bytes",
            _ => "",
        };
        if (unit.Length > 0 && !name.EndsWith(unit, StringComparison.Ordinal))
            name += unit;
        return type == "counter" && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    private static string Legal(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));

    private static IEnumerable<double> BoundsOf(Instrument instrument) => instrument switch
    {
        Instrument<double> { Advice.HistogramBucketBoundaries: { } bounds } => bounds,
        Instrument<float> { Advice.HistogramBucketBoundaries: { } bounds } => bounds.Select(bound => (double)bound),
        Instrument<long> { Advice.HistogramBucketBoundaries: { } bounds } => bounds.Select(bound => (double)bound),
        Instrument<int> { Advice.HistogramBucketBoundaries: { } bounds } => bounds.Select(bound => (double)bound),
        _ => DefaultBounds,
    };

    private sealed class Sample(int buckets)
    {
        /// <summary>The number, or the sum of a histogram.</summary>
        public double Value { get; set; }

        public long Count { get; private set; }

        /// <summary>Measurements in each bucket; those above the last bound are only in <see cref="Count"/>.</summary>
        public long[] Buckets { get; } = new long[buckets];

        public void Add(double value, double[] bounds)
        {
            int bucket = Array.FindIndex(bounds, bound => value <= bound);
            if (bucket >= 0)
                Buckets[bucket]++;
            Count++;
            Value += value;
        }
    }
}
