namespace OnnxVlm.Server.Wire;

/// <summary>Answer of GET /health, /health/live and /health/ready.</summary>
/// <param name="Status"><c>ok</c>, <c>loading</c> or <c>stopping</c>.</param>
internal sealed record HealthStatus(string Status);
