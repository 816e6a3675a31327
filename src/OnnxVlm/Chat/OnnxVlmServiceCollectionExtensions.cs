using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Chat;

/// <summary>
/// Registers a model and its chat client. Each is a singleton that the container disposes. The model is loaded once, when the first of them is asked for.
/// Middleware goes on top, after <c>AddOnnxVlm</c>:
/// <c>services.AddChatClient(provider => provider.GetRequiredService&lt;VlmChatClient&gt;()).UseFunctionInvocation()</c>.
/// </summary>
public static class OnnxVlmServiceCollectionExtensions
{
    /// <summary>Adds <see cref="VlmModel"/>, <see cref="VlmChatClient"/> and <see cref="IChatClient"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; null where they are set elsewhere, for example by
    /// <c>services.Configure&lt;OnnxVlmOptions&gt;(section)</c>.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddOnnxVlm(this IServiceCollection services, Action<OnnxVlmOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        AddOptions(services, Options.DefaultName, configure);
        services.TryAddSingleton(provider => Load(provider, Options.DefaultName));
        services.TryAddSingleton(provider => CreateClient(provider, provider.GetRequiredService<VlmModel>(), Options.DefaultName));
        return services.AddSingleton<IChatClient>(provider => provider.GetRequiredService<VlmChatClient>());
    }

    /// <summary>Adds <see cref="VlmModel"/>, <see cref="VlmChatClient"/> and <see cref="IChatClient"/> under a key: several models in one program.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key, which is also the name of the options.</param>
    /// <param name="configure">Sets the options; null where they are set elsewhere.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddKeyedOnnxVlm(this IServiceCollection services, string serviceKey, Action<OnnxVlmOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(serviceKey);
        AddOptions(services, serviceKey, configure);
        services.TryAddKeyedSingleton(serviceKey, (provider, _) => Load(provider, serviceKey));
        services.TryAddKeyedSingleton(serviceKey, (provider, _) => CreateClient(provider, provider.GetRequiredKeyedService<VlmModel>(serviceKey), serviceKey));
        return services.AddKeyedSingleton<IChatClient>(serviceKey, (provider, _) => provider.GetRequiredKeyedService<VlmChatClient>(serviceKey));
    }

    private static void AddOptions(IServiceCollection services, string name, Action<OnnxVlmOptions>? configure)
    {
        OptionsBuilder<OnnxVlmOptions> builder = services.AddOptions<OnnxVlmOptions>(name);
        if (configure is not null)
            builder.Configure(configure);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<OnnxVlmOptions>, OnnxVlmOptionsValidator>());
        builder.Validate(
            options => !string.IsNullOrEmpty(options.Model) || !string.IsNullOrEmpty(options.ModelFolder),
            "ModelFolder is not set; give the folder that `onnxvlm export` wrote, or set Model to the name of a model.");
        builder.Validate(
            options => string.IsNullOrEmpty(options.Model) || string.IsNullOrEmpty(options.ModelFolder),
            "Model and ModelFolder are both set; leave one out.");
        builder.Validate<IServiceProvider>(
            (options, provider) => string.IsNullOrEmpty(options.Model) || provider.GetService<IModelResolver>() is not null,
            "Model names a model, and nothing is registered that finds models by name; add the package OnnxVlm.Hub and services.AddModelHub().");
        builder.Validate(
            options => string.IsNullOrEmpty(options.ModelFolder) || File.Exists(Path.Combine(options.ModelFolder, ModelManifest.FileName)),
            $"ModelFolder has no {ModelManifest.FileName}; give the folder that `onnxvlm export` wrote.");
        builder.ValidateOnStart();
    }

    private static OnnxVlmOptions OptionsOf(IServiceProvider provider, string name) => provider.GetRequiredService<IOptionsMonitor<OnnxVlmOptions>>().Get(name);

    private static VlmModel Load(IServiceProvider provider, string name)
    {
        OnnxVlmOptions options = OptionsOf(provider, name);
        return VlmModel.Load(FolderOf(provider, options), options.ToVlmOptions());
    }

    /// <summary>Services are created synchronously: whoever requests the first one waits, even while a model is pulled.</summary>
    private static string FolderOf(IServiceProvider provider, OnnxVlmOptions options) =>
        string.IsNullOrEmpty(options.Model)
            ? options.ModelFolder
            : provider.GetRequiredService<IModelResolver>().ResolveAsync(options.Model).AsTask().GetAwaiter().GetResult();

    private static VlmChatClient CreateClient(IServiceProvider provider, VlmModel model, string name) => new(model, OptionsOf(provider, name).Generation);
}
