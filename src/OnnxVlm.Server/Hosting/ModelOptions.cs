using System.ComponentModel.DataAnnotations;
using OnnxVlm.Runtime;

namespace OnnxVlm.Server.Hosting;

/// <summary>A model of the service.</summary>
public sealed class ModelOptions
{
    /// <summary>The name that requests use for it. Required.</summary>
    [Required(ErrorMessage = "Name is not set; give the model the name that requests will use.")]
    public string Name { get; set; } = "";

    /// <summary>The model folder, as <c>onnxvlm export</c> writes it. Required.</summary>
    [Required(ErrorMessage = "Folder is not set; give the folder that `onnxvlm export` wrote.")]
    public string Folder { get; set; } = "";

    /// <summary>Where it runs. Default <see cref="Device.Auto"/>.</summary>
    public Device Device { get; set; } = Device.Auto;

    /// <inheritdoc cref="VlmOptions.Runner"/>
    public Runner Runner { get; set; } = Runner.Auto;

    /// <summary>Threads of the CPU device. Default: one for each processor; 1 to 1024.</summary>
    [Range(1, 1024)]
    public int Threads { get; set; } = Environment.ProcessorCount;

    /// <summary>
    /// <see cref="VlmOptions.CacheBytes"/>. Default null: the default there, or 512 MiB if the models share a
    /// <see cref="ServerOptions.MemoryBudgetBytes"/>.
    /// </summary>
    [Range(0, long.MaxValue)]
    public long? CacheBytes { get; set; }

    internal long CacheBytesOf(ServerOptions server) => CacheBytes ?? (server.MemoryBudgetBytes > 0 ? 512L << 20 : new VlmOptions().CacheBytes);

    /// <inheritdoc cref="VlmOptions.BlendAlpha"/>
    public bool BlendAlpha { get; set; }

    /// <inheritdoc cref="VlmOptions.VerifyHashes"/>
    public bool VerifyHashes { get; set; } = true;
}
