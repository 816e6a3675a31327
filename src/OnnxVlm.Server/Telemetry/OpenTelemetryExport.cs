using Microsoft.Extensions.Configuration;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace OnnxVlm.Server.Telemetry;

/// <summary>
/// Sends traces and metrics by OTLP if OpenTelemetry's own variables give a destination: one span for each request of ASP.NET Core and one for each
/// answer of Microsoft.Extensions.AI. They do not contain what users wrote, unless OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for it.
/// </summary>
internal static class OpenTelemetryExport
{
    /// <summary>Adds the export if OTEL_EXPORTER_OTLP_ENDPOINT is set.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">The configuration.</param>
    public static void Add(IServiceCollection services, IConfiguration configuration)
    {
        if (string.IsNullOrEmpty(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
            return;
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("onnxvlm"))
            .WithTracing(tracing => tracing.AddSource("Microsoft.AspNetCore", "Experimental.Microsoft.Extensions.AI"))
            .WithMetrics(metrics => metrics.AddMeter([.. PrometheusExporter.Meters]))
            .UseOtlpExporter();
    }
}
