using System.Diagnostics;
using System.Reflection;
using OnnxVlm.Export.Architectures;
using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.ModelFolders;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;
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
    };

    /// <summary>Architectures whose checkpoints have no preprocessor_config.json: their image rules are in code.</summary>
    private static readonly HashSet<string> WithoutImageConfig = new(StringComparer.Ordinal) { NeoChat.ModelType };

    /// <summary>The <c>model_type</c> values that can be exported.</summary>
    public static IReadOnlyCollection<string> Architectures => Builders.Keys;

    /// <summary>
    /// Configurations of full-size models that come with this library, by name: folders for <see cref="ExportOptions.CheckpointFolder"/> with
    /// <see cref="ExportOptions.RandomSeed"/> set.
    /// </summary>
    public static IReadOnlyDictionary<string, string> ShippedConfigs { get; } =
        (Directory.Exists(ConfigFolder) ? Directory.GetDirectories(ConfigFolder) : []).ToDictionary(path => Path.GetFileName(path), path => path, StringComparer.Ordinal);

    private static string ConfigFolder => Path.Combine(AppContext.BaseDirectory, "Configs");

    /// <summary>
    /// Exports a checkpoint. The graph is built first, and everything that can be wrong with a checkpoint's form is found then; the weights are streamed after
    /// that. The output folder appears when all of it is written; on a failure or a cancellation nothing is left.
    /// </summary>
    /// <param name="options">What to export and how.</param>
    /// <param name="progress">Told about each piece of the weights, from several threads.</param>
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
        HfConfig config = HfConfig.Load(options.CheckpointFolder, "config.json");
        string architecture = RefuseUnknownArchitecture(config);
        TokenizerFile? tokenizer = options.RandomSeed is null ? TokenizerFile.Load(options.CheckpointFolder) : TokenizerFile.LoadOrGenerate(options.CheckpointFolder);

        HfConfig images = LoadImageConfig(architecture, options.CheckpointFolder);
        using TensorStore weights = options.RandomSeed is int seed ? new RandomTensors(seed) : Checkpoint.Open(options.CheckpointFolder);
        ModelGraph graph = new(weights, target);
        ModelDescription model = Describe(architecture, graph, config, images, tokenizer);
        config.RefuseUnread(architecture);
        images.RefuseUnread(architecture);
        weights.RefuseUnused(architecture);
        RefuseUnknownMatrices(options.Int8Matrices, graph);
        var defaults = GenerationDefaults.Read(options.CheckpointFolder, model);

        using FolderTransaction output = new(options.OutputFolder, options.Overwrite);
        try
        {
            WriteFiles(output.Folder, options, graph, model, defaults, tokenizer, progress, cancellationToken);
            long sizeBytes = new DirectoryInfo(output.Folder).EnumerateFiles().Sum(file => file.Length);
            output.Commit();
            return new ExportReport
            {
                OutputFolder = options.OutputFolder,
                Architecture = architecture,
                Parameters = weights.Parameters,
                SizeBytes = sizeBytes,
                Elapsed = watch.Elapsed,
                HasTokenizer = tokenizer is not null,
                Quantized = [.. graph.Graph.Sources.OfType<QuantizedRows>().Select(rows => rows.Report())],
            };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            string what = $"{options.OutputFolder}: cannot be written ({exception.Message}); the weights need {graph.Graph.DataBytes} bytes";
            throw new ModelLoadException(what, exception);
        }
    }

    /// <summary>Builds the graph, without computing any weight.</summary>
    internal static ModelDescription Describe(string architecture, ModelGraph graph, HfConfig config, HfConfig images, TokenizerFile? tokenizer) => Builders[architecture](graph, config, images, tokenizer);

    /// <summary>preprocessor_config.json, or nothing for an architecture that has none.</summary>
    internal static HfConfig LoadImageConfig(string architecture, string folder) =>
        WithoutImageConfig.Contains(architecture) ? HfConfig.Empty(folder, "preprocessor_config.json") : HfConfig.LoadImageProcessor(folder);

    private static void WriteFiles(
        string folder, ExportOptions options, ModelGraph graph, ModelDescription model, GenerationDefaults defaults, TokenizerFile? tokenizer,
        IProgress<ExportProgress>? progress, CancellationToken cancellationToken)
    {
        string version = typeof(Exporter).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";
        graph.Graph.Save(Path.Combine(folder, GraphBuilder.ModelFile), version);
        using (ExternalDataFile data = new(Path.Combine(folder, GraphBuilder.DataFile), graph.Graph.DataBytes))
            data.WriteAll(graph.Graph.Sources, progress, cancellationToken);
        GenAIConfig.Write(Path.Combine(folder, GenAIConfig.FileName), model, defaults);
        tokenizer?.Write(folder, model.Prompt);

        // Hidden files are the transaction's own.
        IEnumerable<string> names = Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Where(name => !name.StartsWith('.'));
        new ModelManifest
        {
            FormatVersion = ModelManifest.CurrentFormatVersion,
            Architecture = model.Architecture,
            Device = options.Device == Device.Cpu ? null : options.Device.ToString().ToLowerInvariant(),
            Source = options.RandomSeed is int seed ? new ModelSource { Name = $"random weights for {Path.GetFileName(Path.TrimEndingDirectorySeparator(options.CheckpointFolder))}", Revision = $"seed {seed}" } : CheckpointSource.Identify(options.CheckpointFolder, options.SourceName, graph.Weights.Paths, progress, cancellationToken),
            Precision = ModelManifest.Precisions[(int)options.Precision],
            ContextLength = model.ContextLength,
            VocabularySize = model.Vocabulary,
            EndTokenIds = defaults.EndTokenIds,
            SuppressedTokenIds = defaults.SuppressedTokenIds,
            Reasoning = model.Reasoning,
            CacheNumbersPerToken = model.CachedNumbers,
            Image = model.Image,
            Files = names.Order(StringComparer.Ordinal)
                .ToDictionary(name => name, name => FileHash.Compute(Path.Combine(folder, name), progress, cancellationToken), StringComparer.Ordinal),
        }.Save(Path.Combine(folder, ModelManifest.FileName));
    }

    /// <summary>A mistyped name must not leave in 4 bits what was to have 8.</summary>
    private static void RefuseUnknownMatrices(IReadOnlyList<string> parts, ModelGraph graph)
    {
        string[] names = [.. graph.Graph.Sources.OfType<QuantizedRows>().Where(rows => rows.Bits == 8).Select(rows => rows.Name)];
        if (parts.FirstOrDefault(part => !names.Any(name => name.Contains(part, StringComparison.Ordinal))) is string unknown)
            throw new ModelLoadException($"no 8-bit matrix has \"{unknown}\" in its name; export in int4 without it to see the names of all matrices");
    }

    private static string RefuseUnknownArchitecture(HfConfig config)
    {
        string architecture = config.Require<string>("model_type");
        if (config.Has("quantization_config"))
            throw new UnsupportedModelException($"{config.Path}: quantization_config: only weights as they were trained are implemented; give the checkpoint that is not quantized");
        if (Builders.ContainsKey(architecture))
            return architecture;
        throw new UnsupportedModelException($"{config.Path}: model_type: expected {string.Join(" or ", Architectures)}, found {architecture}: {OtherModels.Reason(config, architecture)}");
    }
}
