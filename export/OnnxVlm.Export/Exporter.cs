using System.Diagnostics;
using System.Reflection;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Export.Calibration;
using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.FolderWriting;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;
using OnnxVlm.Export.Trials;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export;

/// <summary>Turns a Hugging Face folder into a model folder. Thread-safe; two exports must not write to the same folder at once.</summary>
public static class Exporter
{
    /// <summary>One file of Architectures/ each.</summary>
    private static readonly Dictionary<string, Func<ModelGraph, HfConfig, HfConfig, TokenizerFile?, ModelDescription>> Builders = new(StringComparer.Ordinal)
    {
        [UnifiedDecoder.ModelType] = UnifiedDecoder.Build,
        [Fuyu.ModelType] = Fuyu.Build,
        [Gemma4Unified.ModelType] = Gemma4Unified.Build,
        [NeoChat.ModelType] = NeoChat.Build,
        [Qwen35.ModelType] = Qwen35.Build,
    };

    /// <summary>Architectures whose checkpoints have no preprocessor_config.json, because their image rules are in code.</summary>
    private static readonly HashSet<string> WithoutImageConfig = new(StringComparer.Ordinal) { NeoChat.ModelType };

    /// <summary>The <c>model_type</c> values that can be exported.</summary>
    public static IReadOnlyCollection<string> Architectures => Builders.Keys;

    /// <summary>
    /// Configurations of full-size models that come with this library, by name: folders for <see cref="ExportOptions.CheckpointFolder"/> with
    /// <see cref="ExportOptions.RandomSeed"/> set.
    /// </summary>
    public static IReadOnlyDictionary<string, string> ShippedConfigs { get; } =
        (Directory.Exists(ConfigFolder) ? Directory.GetDirectories(ConfigFolder) : []).ToDictionary(
            path => Path.GetFileName(path), path => path, StringComparer.Ordinal);

    private static string ConfigFolder => Path.Combine(AppContext.BaseDirectory, "Configs");

    /// <summary>
    /// Exports a checkpoint. The graph is built first; every error in the checkpoint's form is found then. The weights are streamed after that. The
    /// output folder appears when all of it is written; a failure or a cancellation leaves nothing behind.
    /// </summary>
    /// <param name="options">What to export and how.</param>
    /// <param name="progress">Reports each piece of the weights, from several threads.</param>
    /// <param name="cancellationToken">Checked between pieces of about 4 MiB.</param>
    /// <exception cref="ArgumentNullException"><paramref name="options"/> is null.</exception>
    /// <exception cref="ModelLoadException">The checkpoint is missing, damaged or inconsistent, or the output cannot be written.</exception>
    /// <exception cref="UnsupportedModelException">The checkpoint asks for something that is not implemented; the message names it.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static ExportReport Export(ExportOptions options, IProgress<ExportProgress>? progress = null, CancellationToken cancellationToken = default) =>
        Export(options, ExportTarget.For(options ?? throw new ArgumentNullException(nameof(options))), progress, cancellationToken);

    internal static ExportReport Export(ExportOptions options, ExportTarget target, IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        cancellationToken.ThrowIfCancellationRequested();
        using PreparedExport export = Prepare(options, target, OpenWeights);
        using FolderTransaction output = new(options.OutputFolder, options.Overwrite);
        try
        {
            using (var data = ExternalDataFile.Create(Path.Combine(output.Folder, GraphBuilder.DataFile), export.Graph.DataBytes))
                data.WriteAll(export.Graph.Sources, progress, cancellationToken);
            ModelSource source = options.RandomSeed is int random
                ? new ModelSource
                {
                    Name = $"random weights for {Path.GetFileName(Path.TrimEndingDirectorySeparator(options.CheckpointFolder))}",
                    Revision = $"seed {random}",
                }
                : SourceIdentity.Find(options.CheckpointFolder, options.SourceName, export.Weights.Paths, progress, cancellationToken);
            WriteFiles(output.Folder, export, source, progress, cancellationToken);
            IReadOnlyList<CacheReport> caches = [];
            if (target.QuantizesCache)
            {
                CacheCalibration calibration = new(output.Folder, options.Calibration, with => Prepare(options, with(target), OpenWeights));
                (CacheScales scales, caches) = calibration.Run(progress, cancellationToken);
                using PreparedExport quantized = Prepare(options, target with { CacheScales = scales }, OpenWeights);
                foreach (string path in Directory.EnumerateFiles(output.Folder).Where(path => Path.GetFileName(path) is [not '.', ..] and not GraphBuilder.DataFile))
                    File.Delete(path);
                WriteFiles(output.Folder, quantized, source, progress, cancellationToken);
            }
            string? omitted = TryGraph(output.Folder, export, progress, cancellationToken);
            ExportReport report = export.Report(output.Folder, watch.Elapsed) with { TrialOmitted = omitted, Caches = caches };
            output.Commit();
            return report;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(export, exception);
        }

        TensorStore OpenWeights() => options.RandomSeed is int seed ? new RandomTensors(seed) : Checkpoint.Open(options.CheckpointFolder);
    }

    /// <summary>Reads everything but the weights, builds the graph, and refuses what is wrong with the checkpoint's form.</summary>
    /// <param name="options">What to export and how.</param>
    /// <param name="target">How the precision is expressed.</param>
    /// <param name="openWeights">Opens the weights; called when the configuration can be exported.</param>
    internal static PreparedExport Prepare(ExportOptions options, ExportTarget target, Func<TensorStore> openWeights)
    {
        HfConfig config = HfConfig.Load(options.CheckpointFolder, "config.json");
        string architecture = RefuseUnknownArchitecture(config);
        TokenizerFile? tokenizer = options.RandomSeed is null
            ? TokenizerFile.Load(options.CheckpointFolder)
            : TokenizerFile.LoadOrGenerate(options.CheckpointFolder);
        HfConfig images = LoadImageConfig(architecture, options.CheckpointFolder);
        TensorStore weights = openWeights();
        try
        {
            ModelGraph graph = new(weights, target);
            ModelDescription model = RefuseUnusable(options.CheckpointFolder, () => Describe(architecture, graph, config, images, tokenizer));
            config.RefuseUnread(architecture);
            images.RefuseUnread(architecture);
            weights.RefuseUnused(architecture);
            RefuseUnknownMatrices(options.Int8Matrices, graph);
            return new PreparedExport(options, architecture, weights, graph.Graph, model, GenerationDefaults.Read(options.CheckpointFolder, model), tokenizer);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Reads which architecture a checkpoint has; only config.json needs to exist.</summary>
    /// <param name="checkpointFolder">The folder of config.json.</param>
    /// <returns>The <c>model_type</c>, one of <see cref="Architectures"/>.</returns>
    /// <exception cref="ModelLoadException">config.json is missing or damaged.</exception>
    /// <exception cref="UnsupportedModelException">The architecture cannot be exported; the message says why.</exception>
    public static string ReadArchitecture(string checkpointFolder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(checkpointFolder);
        return RefuseUnknownArchitecture(HfConfig.Load(checkpointFolder, "config.json"));
    }

    /// <summary>The exception for an error of the disk.</summary>
    internal static ModelLoadException CannotWrite(PreparedExport export, Exception exception) =>
        new($"{export.Options.OutputFolder}: cannot be written ({exception.Message}); the weights need {export.Graph.DataBytes} bytes", exception);

    /// <summary>Builds the graph, without computing any weight.</summary>
    internal static ModelDescription Describe(string architecture, ModelGraph graph, HfConfig config, HfConfig images, TokenizerFile? tokenizer) =>
        Builders[architecture](graph, config, images, tokenizer);

    /// <summary>preprocessor_config.json, or an empty configuration for an architecture that has none.</summary>
    internal static HfConfig LoadImageConfig(string architecture, string folder) =>
        WithoutImageConfig.Contains(architecture) ? HfConfig.Empty(folder, "preprocessor_config.json") : HfConfig.LoadImageProcessor(folder);

    /// <summary>Writes the files beside the weights; the manifest, which has the hashes of all, comes last.</summary>
    internal static void WriteFiles(
        string folder, PreparedExport export, ModelSource source, IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        export.Graph.Save(Path.Combine(folder, GraphBuilder.ModelFile), Version);
        GenAIConfig.Write(Path.Combine(folder, GenAIConfig.FileName), export.Model, export.Defaults);
        export.Tokenizer?.Write(folder, export.Model.Template);

        // Hidden files belong to the transaction.
        IEnumerable<string> names = Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Where(name => !name.StartsWith('.'));
        ModelManifest manifest = new()
        {
            FormatVersion = ModelManifest.CurrentFormatVersion,
            Architecture = export.Model.Architecture,
            Device = export.Options.Device == Device.Cpu ? null : export.Options.Device.ToString().ToLowerInvariant(),
            Source = source,
            Precision = ModelManifest.Precisions[(int)export.Options.Precision],
            ContextLength = export.Model.ContextLength,
            VocabularySize = export.Model.Vocabulary,
            EndTokenIds = export.Defaults.EndTokenIds,
            SuppressedTokenIds = export.Defaults.SuppressedTokenIds,
            Reasoning = export.Model.Reasoning,
            ToolSyntax = export.Model.ToolSyntax,
            Sampling = export.Defaults.Sampling,
            CacheNumbersPerToken = export.Model.CachedNumbers,
            CachePrecision = export.Options.KeyValues is null ? null : ModelManifest.Precisions[(int)Precision.Int8],
            SlidingWindow = export.Model.EvictingWindow,
            StateElements = export.Model.StateElements > 0 ? export.Model.StateElements : null,
            Image = export.Model.Image,
            Files = names.Order(StringComparer.Ordinal)
                .ToDictionary(name => name, name => FileHash.Compute(Path.Combine(folder, name), progress, cancellationToken), StringComparer.Ordinal),
        };
        RefuseUnusable(export.Options.CheckpointFolder, () =>
        {
            manifest.Save(Path.Combine(folder, ModelManifest.FileName));
            return manifest;
        });
        if (export.Tokenizer is not null)
            PromptTrial.Run(folder, export.Options.CheckpointFolder);
    }

    /// <summary>Has the finished folder tried, where that is asked for and can be done here.</summary>
    /// <returns>Why it was not tried although it was asked for; null otherwise.</returns>
    /// <exception cref="ModelLoadException">The graph does not run.</exception>
    internal static string? TryGraph(string folder, PreparedExport export, IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        if (export.Options.Trial is not { } trial)
            return null;
        if (GraphTrial.Obstacle(export.Options.Device, export.Options.Precision, export.Graph.DataBytes) is string obstacle)
            return obstacle;
        progress?.Report(new ExportProgress(GraphTrial.Step, 0, 1));
        if (trial(folder, cancellationToken) is string failure)
            throw new ModelLoadException($"{export.Options.CheckpointFolder}: " +
                $"the graph that was made from it does not run: {failure.TrimEnd('.')}; to keep it anyway, export without the trial (--no-trial)");
        return null;
    }

    /// <summary>The exporter's version, as <c>model.onnx</c> names it.</summary>
    internal static string Version { get; } =
        typeof(Exporter).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    /// <summary>A number of the checkpoint that a model folder cannot have is an error of the checkpoint.</summary>
    private static T RefuseUnusable<T>(string checkpoint, Func<T> make)
    {
        try
        {
            return make();
        }
        catch (ArgumentException exception)
        {
            string found = exception.Message.Replace("; export the model again", "", StringComparison.Ordinal);
            throw new ModelLoadException(
                $"{checkpoint}: the configuration has a value that no model folder can have: {found}; give the checkpoint as it was published", exception);
        }
    }

    /// <summary>A mistyped name must not leave a matrix in 4 bits that was meant to have 8.</summary>
    private static void RefuseUnknownMatrices(IReadOnlyList<string> parts, ModelGraph graph)
    {
        string[] names = [.. graph.Graph.Sources.OfType<QuantizedWeights>().Where(rows => rows.Bits == 8).Select(rows => rows.Name)];
        if (parts.FirstOrDefault(part => !names.Any(name => name.Contains(part, StringComparison.Ordinal))) is string unknown)
            throw new ModelLoadException($"no 8-bit matrix has \"{unknown}\" in its name; export in int4 without it to see the names of all matrices");
    }

    private static string RefuseUnknownArchitecture(HfConfig config)
    {
        string architecture = config.Require<string>("model_type");
        if (config.Has("quantization_config"))
            throw new UnsupportedModelException(
                $"{config.Path}: quantization_config: only weights as they were trained are implemented; give the checkpoint that is not quantized");
        if (Builders.ContainsKey(architecture))
            return architecture;
        throw new UnsupportedModelException($"{config.Path}: model_type: " +
            $"expected {string.Join(" or ", Architectures)}, found {architecture}: {UnsupportedArchitectures.Reason(config, architecture)}");
    }
}
