using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;

namespace OnnxVlm.Server.Telemetry;

/// <summary>
/// The process's metrics in Prometheus' text format 0.0.4. It listens to the meters named here from the start, and writes their values on request.
/// Safe to use from several threads.
/// </summary>
internal sealed class PrometheusExporter : IDisposable
{
    /// <summary>The meters that are written.</summary>
    public static readonly IReadOnlyList<string> Meters =
        [ServerMetrics.MeterName, "OnnxVlm", "Experimental.Microsoft.Extensions.AI", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel",
            "System.Runtime"];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<Instrument, MetricSeries> _series = [];
    private readonly Lock _writing = new();

    /// <summary>Starts to listen.</summary>
    /// <param name="meters">Meters of another factory belong to another service in this process and are ignored.</param>
    public PrometheusExporter(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            bool isOurs = instrument.Meter.Scope is not IMeterFactory owner || ReferenceEquals(owner, meters);
            if (isOurs && Meters.Contains(instrument.Meter.Name))
                listener.EnableMeasurementEvents(instrument, _series.GetOrAdd(instrument, created => new MetricSeries(created)));
        };
        _listener.MeasurementsCompleted = (instrument, _) => _series.TryRemove(instrument, out MetricSeries? _);
        Listen<byte>(value => value);
        Listen<short>(value => value);
        Listen<int>(value => value);
        Listen<long>(value => value);
        Listen<float>(value => value);
        Listen<double>(value => value);
        Listen<decimal>(value => (double)value);
        _listener.Start();
    }

    /// <summary>Writes all metrics.</summary>
    public string Write()
    {
        lock (_writing)
        {
            foreach (MetricSeries series in _series.Values)
                series.BeginCollection();
            _listener.RecordObservableInstruments();
            StringBuilder text = new();
            // Instruments of the same name, from several meters, are one metric.
            foreach (IGrouping<string, MetricSeries> metric
                in _series.Values.GroupBy(series => series.Name).OrderBy(group => group.Key, StringComparer.Ordinal))
            {
                metric.First().WriteHeader(text);
                foreach (MetricSeries series in metric)
                    series.WriteSamples(text);
            }
            return text.ToString();
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Listen<T>(Func<T, double> toDouble)
        where T : struct => _listener.SetMeasurementEventCallback<T>((_, value, tags, state) => ((MetricSeries)state!).Record(toDouble(value), tags));
}
