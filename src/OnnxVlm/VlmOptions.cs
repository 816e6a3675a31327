using OnnxVlm.Imaging;
using OnnxVlm.Runtime;

namespace OnnxVlm;

/// <summary>How a model is loaded. Immutable.</summary>
public sealed record VlmOptions
{
    /// <summary>The device that the model runs on. Default <see cref="Device.Auto"/>.</summary>
    public Device Device { get; init; } = Device.Auto;

    /// <summary>Threads of the CPU device. Default: one for each processor; at least 1.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int Threads
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            field = value;
        }
    } = Environment.ProcessorCount;

    /// <summary>Decodes images. Default null: <see cref="SkiaImageDecoder"/>, which reads PNG, JPEG, GIF, BMP and WebP.</summary>
    public IImageDecoder? ImageDecoder { get; init; }

    /// <summary>
    /// Whether transparent images are blended over white. Default false: the model's own rule, which usually drops transparency, as in its training. Black
    /// text on a transparent ground is then black on the stored colours, often black; <see cref="Generation.GenerationStatistics.TransparentImages"/> counts
    /// such images.
    /// </summary>
    public bool BlendAlpha { get; init; }

    /// <summary>Limits on images, checked before they are decoded.</summary>
    public ImageLimits ImageLimits { get; init; } = new();

    /// <summary>
    /// The most tokens of an image, for models that were trained with several budgets (Gemma: 70, 140, 280, 560 or 1120) or with any (NEO: 64 to 4096; a
    /// long narrow image has at least as many as its shape requires). Default null: the value of the model folder. The tokens around an image do not count.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is below 1.</exception>
    public int? MaxImageTokens
    {
        get;
        init
        {
            if (value is int tokens)
                ArgumentOutOfRangeException.ThrowIfLessThan(tokens, 1);
            field = value;
        }
    }

    /// <summary>
    /// Whether the files are compared with the hashes in <c>onnxvlm.json</c>. Default true; reading them takes about a second per gigabyte. Files
    /// of 64 MiB and more are read while the model loads, and again only when they have changed: their size and time of change are kept in the
    /// user's local application data.
    /// </summary>
    public bool VerifyHashes { get; init; } = true;

    /// <summary>
    /// Memory in bytes for the key-value cache of running and of past answers. Past answers stay as long as there is room, so that a prompt that begins
    /// like one of them is not read again from the start. A request reserves what its prompt and its answer may need, and waits until there is room; one
    /// that would never fit is refused. Default: a quarter of the memory that the process may use, at least 512 MiB. 0 means the default for running
    /// answers, and keeps no past ones.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public long CacheBytes
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    } = DefaultCacheBytes;

    /// <summary>The runner of the model. Default <see cref="Runner.Auto"/>.</summary>
    public Runner Runner { get; init; } = Runner.Auto;

    /// <summary>Default of <see cref="CacheBytes"/>.</summary>
    internal static long DefaultCacheBytes => Math.Max(512L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);
}
