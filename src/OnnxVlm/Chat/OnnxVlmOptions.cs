using System.ComponentModel.DataAnnotations;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.Runtime;

namespace OnnxVlm.Chat;

/// <summary>Options of <c>AddOnnxVlm</c>; can be bound to configuration. Checked when the host starts, and again when the model is loaded.</summary>
public sealed class OnnxVlmOptions
{
    /// <summary>The model folder, as <c>onnxvlm export</c> and <c>onnxvlm pull</c> write it. Required, unless <see cref="Model"/> is set.</summary>
    public string ModelFolder { get; set; } = "";

    /// <summary>
    /// The name of a model, for example <c>gemma-4-12b</c>, whose folder the registered <see cref="IModelResolver"/> finds when the model is loaded:
    /// <c>services.AddModelHub()</c> of the package <c>OnnxVlm.Hub</c> registers one. Default null: <see cref="ModelFolder"/> is the model.
    /// </summary>
    public string? Model { get; set; }

    /// <summary>The device that the model runs on. Default <see cref="Device.Auto"/>.</summary>
    public Device Device { get; set; } = Device.Auto;

    /// <inheritdoc cref="VlmOptions.Runner"/>
    public Runner Runner { get; set; } = Runner.Auto;

    /// <summary>Threads of the CPU device. Default: one for each processor; 1 to 1024.</summary>
    [Range(1, 1024)]
    public int Threads { get; set; } = Environment.ProcessorCount;

    /// <inheritdoc cref="VlmOptions.CacheBytes"/>
    [Range(0, long.MaxValue)]
    public long CacheBytes { get; set; } = new VlmOptions().CacheBytes;

    /// <inheritdoc cref="VlmOptions.VerifyHashes"/>
    public bool VerifyHashes { get; set; } = true;

    /// <inheritdoc cref="VlmOptions.ImageLimits"/>
    public ImageLimits ImageLimits { get; set; } = new();

    /// <inheritdoc cref="VlmOptions.MaxImageTokens"/>
    [Range(1, int.MaxValue)]
    public int? MaxImageTokens { get; set; }

    /// <inheritdoc cref="VlmOptions.BlendAlpha"/>
    public bool BlendAlpha { get; set; }

    /// <inheritdoc cref="VlmOptions.ImageDecoder"/>
    public IImageDecoder? ImageDecoder { get; set; }

    /// <summary>The options of requests that set none.</summary>
    public GenerationOptions Generation { get; set; } = new();

    internal VlmOptions ToVlmOptions() => new()
    {
        Device = Device,
        Runner = Runner,
        Threads = Threads,
        CacheBytes = CacheBytes,
        VerifyHashes = VerifyHashes,
        ImageLimits = ImageLimits,
        MaxImageTokens = MaxImageTokens,
        BlendAlpha = BlendAlpha,
        ImageDecoder = ImageDecoder,
    };
}
