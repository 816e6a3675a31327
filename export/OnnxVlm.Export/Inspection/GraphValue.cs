namespace OnnxVlm.Export.Inspection;

/// <summary>An input or output of a graph.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Element type and dimensions, for example <c>int64 [batch, sequence]</c>.</param>
public sealed record GraphValue(string Name, string Type);
