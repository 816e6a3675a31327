using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using OnnxVlm.Export.FolderWriting;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.Streaming;

/// <summary>
/// A checkpoint whose weights are exported while they are read, from front to back, without ever being on this disk. The result has the same bytes as
/// <see cref="Exporter.Export(ExportOptions, IProgress{ExportProgress}, CancellationToken)"/> makes from the files. What was written survives an
/// interruption: the next identical export to the same folder continues it. Thread-safe; two exports must not write to the same folder at once.
/// </summary>
public sealed class StreamedCheckpoint
{
    /// <summary>The Hub's own library refuses larger headers; those of real models are below 1 MB.</summary>
    private const int MaxHeaderBytes = 25_000_000;

    /// <summary>Bytes of the first read, in which most headers fit.</summary>
    private const int FirstBytes = 100_000;

    private readonly ICheckpointSource _source;
    private readonly string _folder;

    private readonly StreamLimits _limits;

    private StreamedCheckpoint(ICheckpointSource source, string folder, IReadOnlyList<StreamedFile> files, StreamLimits limits)
    {
        _source = source;
        _folder = folder;
        Files = files;
        _limits = limits;
    }

    /// <summary>The weight files, in order, with their headers.</summary>
    internal IReadOnlyList<StreamedFile> Files { get; }

    /// <summary>Reads the headers of the weight files.</summary>
    /// <param name="source">Where the weights are.</param>
    /// <param name="folder">A folder with all other files of the checkpoint: config.json, the tokenizer, the index of the shards.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="ModelLoadException">A file is missing, or a header breaks a rule of the format.</exception>
    /// <exception cref="VlmException">The source cannot be read.</exception>
    public static Task<StreamedCheckpoint> OpenAsync(ICheckpointSource source, string folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return OpenAsync(source, folder, StreamLimits.Default, cancellationToken);
    }

    internal static async Task<StreamedCheckpoint> OpenAsync(
        ICheckpointSource source, string folder, StreamLimits limits, CancellationToken cancellationToken = default)
    {
        List<StreamedFile> files = [];
        foreach (string name in WeightIndex.Load(folder).Files)
        {
            CheckpointFile file = source.Files.FirstOrDefault(file => file.Name == name)
                ?? throw new ModelLoadException($"{source.Name}: {name} is missing; only checkpoints with safetensors weights can be exported");
            files.Add(await OpenFileAsync(source, file, cancellationToken).ConfigureAwait(false));
        }

        return new StreamedCheckpoint(source, folder, files, limits);
    }

    /// <summary>Builds the graph, refuses what cannot be exported, and tells the cost of an export.</summary>
    /// <param name="options">What to export and how; the folder of the checkpoint is the one that was opened.</param>
    /// <exception cref="ModelLoadException">The checkpoint is inconsistent.</exception>
    /// <exception cref="UnsupportedModelException">The checkpoint asks for something that is not implemented; the message names it.</exception>
    public ExportPlan Plan(ExportOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        using PreparedExport export = Prepare(options);
        int activationBytes = export.Options.Precision == Precision.Fp32
            || (export.Options.Precision != Precision.Fp16 && export.Options.Device == Runtime.Device.Cpu) ? sizeof(float) : sizeof(ushort);
        return new ExportPlan
        {
            Architecture = export.Architecture,
            Parameters = export.Weights.Parameters,
            DownloadBytes = Files.Sum(file => file.File.SizeBytes),
            WeightBytes = export.Graph.DataBytes,
            Cache = export.Model.CacheSize(activationBytes),
            ContextLength = export.Model.ContextLength,
        };
    }

    /// <summary>Exports the checkpoint, or continues an interrupted export. The output folder appears when all of it is written.</summary>
    /// <param name="options">What to export and how; the folder of the checkpoint is the one that was opened.</param>
    /// <param name="progress">Reports each piece of the weights, from several threads.</param>
    /// <param name="cancellationToken">Interrupts the export; what is written stays for the next one.</param>
    /// <returns>What was written; <see cref="ExportReport.Quantized"/> is empty after an interruption.</returns>
    /// <exception cref="ModelLoadException">The checkpoint is damaged, or the output cannot be written.</exception>
    /// <exception cref="UnsupportedModelException">The checkpoint asks for something that is not implemented; the message names it.</exception>
    /// <exception cref="VlmException">The source cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task<ExportReport> ExportAsync(
        ExportOptions options, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var watch = Stopwatch.StartNew();
        using PreparedExport export = Prepare(options);
        if (!options.Overwrite && Directory.Exists(options.OutputFolder) && Directory.EnumerateFileSystemEntries(options.OutputFolder).Any())
            throw new ModelLoadException(
                $"{options.OutputFolder}: expected a new or an empty folder, found files in it; choose another one, or allow overwriting");
        using PartialFolder output = new(options.OutputFolder);
        try
        {
            string key = KeyOf(export);
            StreamState? state = StreamState.Load(output.Root, key, Files.Count);
            output.Clear(except: state is null ? null : GraphBuilder.DataFile);
            using (ExternalDataFile data = OpenData(output, state, export.Graph.DataBytes))
            {
                WeightStream stream = new(_source, Files, export.Graph.Sources, data, output.Root, key, state, _limits);
                await stream.RunAsync(progress, cancellationToken).ConfigureAwait(false);
                state = stream.State;
            }

            Exporter.WriteFiles(
                output.ModelFolder, export, new ModelSource { Name = _source.Name, Revision = _source.Revision, Unverified = Unverified(state) }, progress,
                cancellationToken);
            string? omitted = Exporter.TryGraph(output.ModelFolder, export, progress, cancellationToken);
            ExportReport report = export.Report(output.ModelFolder, watch.Elapsed) with { TrialOmitted = omitted };
            output.Commit();
            return state.IsResumed ? report with { Quantized = [] } : report;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Exporter.CannotWrite(export, exception);
        }
    }

    /// <summary>
    /// Reads the checkpoint once more and compares a model folder with what is made from it. If they match, the folder is no longer marked as unverified.
    /// </summary>
    /// <param name="options">What was exported and how; <see cref="ExportOptions.OutputFolder"/> is the folder.</param>
    /// <param name="progress">Reports each piece of the weights, from several threads.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="ModelLoadException">The folder differs from the checkpoint, or the checkpoint from its hashes.</exception>
    /// <exception cref="VlmException">The source cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task VerifyAsync(ExportOptions options, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        using PreparedExport export = Prepare(options);
        var manifest = ModelManifest.Load(options.OutputFolder);
        string graph = Convert.ToHexString(SHA256.HashData(export.Graph.Serialize(Exporter.Version)));
        if (!graph.Equals(manifest.Files[GraphBuilder.ModelFile], StringComparison.OrdinalIgnoreCase))
            throw new ModelLoadException($"{options.OutputFolder}: was written by another version of OnnxVlm, or with other options; pull the model again");
        using (var data = ExternalDataFile.Compare(Path.Combine(options.OutputFolder, GraphBuilder.DataFile)))
        {
            WeightStream stream = new(_source, Files, export.Graph.Sources, data, stateFolder: null, key: "", state: null, _limits);
            await stream.RunAsync(progress, cancellationToken).ConfigureAwait(false);
            manifest = manifest with { Source = manifest.Source with { Unverified = Unverified(stream.State) } };
        }

        manifest.Save(Path.Combine(options.OutputFolder, ModelManifest.FileName));
    }

    /// <summary>The folder that an interrupted export leaves, and that <see cref="ExportAsync"/> continues in.</summary>
    /// <param name="outputFolder">The model folder that is being written.</param>
    /// <returns>The folder, whether it exists or not.</returns>
    public static string PartialFolderOf(string outputFolder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(outputFolder);
        return PartialFolder.PathOf(outputFolder);
    }

    private PreparedExport Prepare(ExportOptions options)
    {
        if (options.KeyValues is not null)
            throw new UnsupportedModelException("A cache in 8 bits is calibrated on the finished graph, which a streamed export does not do; export from a checkpoint on the disk: onnxvlm export --kv int8");
        options = options with { CheckpointFolder = _folder, RandomSeed = null };
        return Exporter.Prepare(options, ExportTarget.For(options), () => Checkpoint.FromHeaders(_folder, Files.Select(file => (file.File.Name, file.Header))));
    }

    /// <summary>A restart continues only where every byte of the result would be the same.</summary>
    private string KeyOf(PreparedExport export)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(
            string.Join('\n', [_source.Name, _source.Revision, .. Files.Select(file => $"{file.File.Name} {file.File.SizeBytes} {file.File.Sha256}")])));
        foreach (StreamedFile file in Files)
            hash.AppendData(file.HeaderBytes.Span);
        hash.AppendData(export.Graph.Serialize(Exporter.Version));
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static ExternalDataFile OpenData(PartialFolder output, StreamState? state, long sizeBytes)
    {
        string path = Path.Combine(output.ModelFolder, GraphBuilder.DataFile);
        return state is null || new FileInfo(path) is not { Exists: true } file || file.Length != sizeBytes ? Create() : ExternalDataFile.Reopen(path);

        ExternalDataFile Create()
        {
            output.Clear(except: null);
            return ExternalDataFile.Create(path, sizeBytes);
        }
    }

    private string? Unverified(StreamState state) =>
        state.IsVerified.All(verified => verified) ? null
        : Files.Any(file => file.File.Sha256 is null) ? "no hash known"
        : "resumed";

    private static async Task<StreamedFile> OpenFileAsync(ICheckpointSource source, CheckpointFile file, CancellationToken cancellationToken)
    {
        string path = $"{source.Name}: {file.Name}";
        byte[] bytes = new byte[Math.Min(file.SizeBytes, FirstBytes)];
        await source.ReadAsync(file, 0, bytes, cancellationToken).ConfigureAwait(false);
        int headerBytes = SafetensorsHeader.ReadLength(path, bytes, file.SizeBytes);
        if (headerBytes > MaxHeaderBytes)
            throw SafetensorsHeader.Damaged(path, $"expected a header of at most {MaxHeaderBytes} bytes, found {headerBytes}");
        int end = SafetensorsHeader.LengthBytes + headerBytes, have = bytes.Length;
        Array.Resize(ref bytes, end);
        if (end > have)
            await source.ReadAsync(file, have, bytes.AsMemory(have), cancellationToken).ConfigureAwait(false);
        return new StreamedFile(file, bytes, SafetensorsHeader.Parse(path, bytes.AsMemory(SafetensorsHeader.LengthBytes), file.SizeBytes));
    }
}
