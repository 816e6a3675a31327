using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Endpoints;

/// <summary>A piece of one of the answers.</summary>
/// <param name="Choice">Number of the answer, from 0.</param>
/// <param name="Update">The piece.</param>
internal readonly record struct AnswerUpdate(int Choice, ChatResponseUpdate Update);
