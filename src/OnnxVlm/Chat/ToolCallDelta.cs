namespace OnnxVlm.Chat;

/// <summary>What an update adds to a function call while the model is still writing it: <see cref="ChatProperties.ToolCallDeltas"/>.</summary>
/// <param name="Index">Number of the call in the answer, from 0.</param>
/// <param name="CallId">The call's id; null except in the first delta of a call.</param>
/// <param name="Name">The function's name; null except in the first delta of a call.</param>
/// <param name="Arguments">The next piece of the arguments' JSON text; empty in the first delta.</param>
public sealed record ToolCallDelta(int Index, string? CallId, string? Name, string Arguments);
