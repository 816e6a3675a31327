using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace OnnxVlm.Hub;

/// <summary>Registers the hub, so that <c>AddOnnxVlm(options => options.Model = "gemma-4-12b")</c> finds models by name.</summary>
public static class ModelHubServiceCollectionExtensions
{
    /// <summary>Adds <see cref="ModelHub"/>, also as <see cref="IModelResolver"/>. It is a singleton that the container disposes.</summary>
    /// <param name="services">The services.</param>
    /// <param name="options">The origin and the folder of models, and whether a missing one is pulled; null for the settings of the
    /// environment, and no.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddModelHub(this IServiceCollection services, ModelHubOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(_ => new ModelHub(options));
        services.TryAddSingleton<IModelResolver>(provider => provider.GetRequiredService<ModelHub>());
        return services;
    }
}
