using System.Diagnostics.Metrics;
using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Models;

namespace OnnxVlm.Server.Telemetry;

/// <summary>
/// The service's own instruments. Requests, connections and tokens are counted by ASP.NET Core and Microsoft.Extensions.AI under OpenTelemetry's names.
/// </summary>
internal sealed class ServerMetrics
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "OnnxVlm.Server";

    private readonly Counter<long> _refused;

    /// <summary>Creates the instruments.</summary>
    /// <param name="meters">Owns the meter.</param>
    /// <param name="queue">Running and waiting requests.</param>
    /// <param name="models">Loaded models.</param>
    public ServerMetrics(IMeterFactory meters, AdmissionQueue queue, ModelPool models)
    {
        Meter meter = meters.Create(MeterName);
        meter.CreateObservableUpDownCounter("onnxvlm.server.requests.running", () => queue.Running, "{request}", "Requests that a model is answering.");
        meter.CreateObservableUpDownCounter("onnxvlm.server.requests.waiting", () => queue.Waiting, "{request}", "Requests that wait for their turn.");
        meter.CreateObservableUpDownCounter("onnxvlm.server.models.loaded", () => models.LoadedCount, "{model}", "Models in memory.");
        _refused = meter.CreateCounter<long>("onnxvlm.server.requests.refused", "{request}", "Requests that ended with an error.");
    }

    /// <summary>Counts a request that ended with an error.</summary>
    /// <param name="error">The error.</param>
    public void Refused(ApiException error) => _refused.Add(1, new("http.response.status_code", error.Status), new("error.type", error.Code ?? "other"));
}
