namespace OnnxVlm;

/// <summary>Finds model folders by the names of models. The package <c>OnnxVlm.Hub</c> has one; register it, and <c>OnnxVlmOptions.Model</c> takes names. Implementations are thread-safe.</summary>
public interface IModelResolver
{
    /// <summary>The folder of a model, which may be brought from elsewhere first.</summary>
    /// <param name="model">The name.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The model folder.</returns>
    /// <exception cref="ArgumentException"><paramref name="model"/> is no name of a model.</exception>
    /// <exception cref="VlmException">There is no such model, or it cannot be had.</exception>
    ValueTask<string> ResolveAsync(string model, CancellationToken cancellationToken = default);
}
