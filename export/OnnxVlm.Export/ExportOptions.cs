using OnnxVlm.Runtime;

namespace OnnxVlm.Export;

/// <summary>What to export, where and how. Immutable; each value is checked when it is set.</summary>
public sealed record ExportOptions
{
    /// <summary>
    /// The Hugging Face folder: config.json, preprocessor_config.json, safetensors (one file, or shards with an index), tokenizer.json, tokenizer_config.json.
    /// </summary>
    /// <exception cref="ArgumentException">The value is null, empty or blank.</exception>
    public required string CheckpointFolder { get; init => field = NotBlank(value, nameof(CheckpointFolder)); }

    /// <summary>The model folder to write. It may exist when it is empty, or when <see cref="Overwrite"/> is set.</summary>
    /// <exception cref="ArgumentException">The value is null, empty or blank.</exception>
    public required string OutputFolder { get; init => field = NotBlank(value, nameof(OutputFolder)); }

    /// <summary>Storage of the weights. Default <see cref="Precision.Fp32"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not a member of the enumeration.</exception>
    public Precision Precision
    {
        get;
        init => field = Enum.IsDefined(value) ? value : throw new ArgumentOutOfRangeException(nameof(Precision), value, "expected Fp32, Fp16, Int8 or Int4");
    }

    /// <summary>Weights that share a scale under <see cref="Precision.Int8"/> and <see cref="Precision.Int4"/>: 32 (default), 64 or 128.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is none of the three.</exception>
    public int BlockSize
    {
        get;
        init => field = value is 32 or 64 or 128 ? value : throw new ArgumentOutOfRangeException(nameof(BlockSize), value, "expected 32, 64 or 128");
    } = 32;

    /// <summary>
    /// Whether int4 and int8 matrices have a zero point for each block beside its scale. It costs half a byte more per block, and reduces the error
    /// of weights that are not centred. Default false.
    /// </summary>
    public bool Asymmetric { get; init; }

    /// <summary>
    /// Storage of the head, which is read whole for every token. Default null: 8 bits under int8 and int4, otherwise as <see cref="Precision"/>.
    /// <see cref="Precision.Fp16"/> is refused: floats have the type of the activations.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is Fp16, or not a member of the enumeration.</exception>
    public Precision? Head
    {
        get;
        init => field = value is null or Precision.Fp32 or Precision.Int8 or Precision.Int4
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Head), value, "expected Fp32, Int8 or Int4");
    }

    /// <summary>
    /// Matrices of the layers that keep 8 bits under <see cref="Precision.Int4"/>: each whose name in <see cref="ExportReport.Quantized"/> contains
    /// one of these parts, such as <c>down_proj</c> or <c>layers.0.</c>. Default empty.
    /// </summary>
    /// <exception cref="ArgumentException">The value is null, or one of them is null, empty or blank.</exception>
    public IReadOnlyList<string> Int8Matrices
    {
        get;
        init => field = [.. (value ?? throw new ArgumentNullException(nameof(Int8Matrices))).Select(name => NotBlank(name, nameof(Int8Matrices)))];
    } = [];

    /// <summary>
    /// The device the graph is written for. Default <see cref="Device.Cpu"/>: 32-bit activations, 8-bit products. <see cref="Device.Cuda"/>: 16-bit
    /// activations. <see cref="Device.DirectMl"/>: also separate matrices and rotations of q, k and v. A folder also runs on other devices, more slowly.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is <see cref="Device.Auto"/>, or not a member of the enumeration.</exception>
    public Device Device
    {
        get;
        init => field = value is Device.Cpu or Device.Cuda or Device.DirectMl
            ? value
            : throw new ArgumentOutOfRangeException(nameof(Device), value, "expected Cpu, Cuda or DirectMl");
    } = Device.Cpu;

    /// <summary>
    /// Whether matrices of the same input (q, k and v; gate and up) are one multiplication. Default true. False is slower, and exists for comparison;
    /// the graph for <see cref="Device.DirectMl"/> always has separate q, k and v.
    /// </summary>
    public bool Pack { get; init; } = true;

    /// <summary>
    /// Seed of random weights that replace the checkpoint's. <see cref="CheckpointFolder"/> then needs only config.json and preprocessor_config.json,
    /// and tokenizer_config.json for a byte tokenizer; see <see cref="Exporter.ShippedConfigs"/>. Default null: the checkpoint's weights.
    /// </summary>
    public int? RandomSeed { get; init; }

    /// <summary>
    /// Storage of keys and values in the cache. Default null: as the activations. <see cref="Precision.Int8"/>: a quarter of the memory on the CPU, with a scale for each channel, for which the finished
    /// graph runs on <see cref="Calibration"/>. Not for <see cref="Device.DirectMl"/>, nor for fp16 on the CPU.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is neither null nor Int8.</exception>
    public Precision? KeyValues
    {
        get;
        init => field = value is null or Precision.Int8 ? value : throw new ArgumentOutOfRangeException(nameof(KeyValues), value, "expected Int8, or null for the type of the activations");
    }

    /// <summary>
    /// What the model reads for <see cref="KeyValues"/>: a text file, an image, or a folder of these. Default null: texts and images that come with this library, and random tokens where the
    /// checkpoint has no tokenizer.
    /// </summary>
    /// <exception cref="ArgumentException">The value is empty or blank.</exception>
    public string? Calibration { get; init => field = value is null ? null : NotBlank(value, nameof(Calibration)); }

    /// <summary>Replaces the files of an earlier export in <see cref="OutputFolder"/>; other files and folders there are left alone. Default false.</summary>
    public bool Overwrite { get; init; }

    /// <summary>
    /// Name of the checkpoint in the manifest. Default null: the repository's name where the folder is in a Hugging Face cache, else the folder's name
    /// (its parent's name when the folder is called <c>hf</c>).
    /// </summary>
    public string? SourceName { get; init; }

    /// <summary>
    /// Runs the finished folder for one token before it takes its place, in a process of its own since the runtime is native code: it is given the
    /// folder, for which <see cref="Trials.GraphTrial.Run"/> is meant, and returns null, or in a few words why the graph does not run, which fails
    /// the export. It is called only where <see cref="Device"/> is here and the memory suffices; <see cref="ExportReport.TrialOmitted"/> tells where
    /// not. Default null: tokenizer, template and image rule are tried, and the graph is not.
    /// </summary>
    public Func<string, CancellationToken, string?>? Trial { get; init; }

    private static string NotBlank(string value, string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(value, name);
        return value;
    }
}
