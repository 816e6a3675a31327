namespace OnnxVlm;

/// <summary>
/// Finds model folders by the names of models. The package <c>OnnxVlm.Hub</c> has an implementation; once it is registered,
/// <c>OnnxVlmOptions.Model</c> accepts names. Implementations are thread-safe.
/// </summary>
public interface IModelResolver
{
    /// <summary>The folder of a model, which may have to be downloaded first.</summary>
    /// <param name="model">The name.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>The model folder.</returns>
    /// <exception cref="ArgumentException"><paramref name="model"/> is not a name of a model.</exception>
    /// <exception cref="VlmException">There is no such model, or it cannot be obtained.</exception>
    ValueTask<string> ResolveAsync(string model, CancellationToken cancellationToken = default);
}
