using OnnxVlm.Export;
using OnnxVlm.Export.Streaming;
using OnnxVlm.Hub.Cache;
using OnnxVlm.Hub.Http;
using OnnxVlm.Hub.Local;
using OnnxVlm.Hub.Protocol;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub.Pulling;

/// <summary>
/// Plans a pull from what is on this machine, what the hub says, and the headers of the weights. Refuses what cannot be exported as early as possible.
/// </summary>
internal sealed class Planner(ModelHubOptions options, HubClient client, HubApi api, ModelStore store, PullReporter reporter)
{
    private const int MaxSmallFileBytes = 64 << 20;

    /// <summary>Besides the weights: the graph, the tokenizer twice, the state.</summary>
    private const long OtherBytes = 64 << 20;

    private const long BillionParameters = 1_000_000_000;

    public async Task<PullPlan> PlanAsync(ModelReference reference, PullOptions pull, CancellationToken cancellationToken)
    {
        if (!pull.PullsAgain && Existing(reference, pull) is LocalModel existing)
            return new PullPlan(existing.Reference, existing.Folder, pull) { Existing = existing };
        HuggingFaceCache cache = new(options.CacheFolder);
        if (cache.FindSnapshot(reference.Id, reference.Revision) is var (snapshot, commit) && SnapshotCheck.IsComplete(snapshot))
            return await PlanSnapshotAsync(reference, pull, snapshot, commit, cancellationToken).ConfigureAwait(false);
        if (options.IsOffline)
            throw new ModelHubException(
                ModelHubError.Offline, $"{reference} is not on this machine, and HF_HUB_OFFLINE is set; unset it, or name a model that is here (onnxvlm list)");

        Repository repository = await api.DescribeAsync(reference.Id, reference.Revision, cancellationToken).ConfigureAwait(false);
        string folder = store.FilesFolderOf(repository.Id, repository.Commit);
        HubCheckpointSource source = new(client, api, options, repository);
        try
        {
            Directory.CreateDirectory(folder);
            return repository.Find(ModelManifest.FileName) is RepositoryFile manifest
                ? await PlanFolderAsync(reference, pull, repository, source, folder, manifest, cancellationToken).ConfigureAwait(false)
                : await PlanCheckpointAsync(reference, pull, repository, source, folder, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is VlmException or OperationCanceledException)
        {
            ModelStore.RemoveIfEmpty(Path.GetDirectoryName(folder)!);
            throw;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ModelStore.CannotWrite(options.ModelsFolder, exception);
        }
    }

    private LocalModel? Existing(ModelReference reference, PullOptions pull) => store.Find(reference).Where(model =>
        model.State == LocalModelState.Ready
        && ModelVariant.TryParse(model.Reference.Variant, out ModelVariant? variant)
        && (pull.Precision is null || pull.Precision == variant.Precision)
        && (pull.BlockSize is null || pull.BlockSize == variant.BlockSize)
        && (reference.Variant is not null || (pull.Device ?? Device.Cpu) == variant.Device)).MaxBy(model => model.Changed);

    private async Task<PullPlan> PlanSnapshotAsync(
        ModelReference reference, PullOptions pull, string snapshot, string commit, CancellationToken cancellationToken)
    {
        Exporter.ReadArchitecture(snapshot);
        var checkpoint = await StreamedCheckpoint.OpenAsync(
            new SnapshotSource(reference.Id, commit, snapshot), snapshot, cancellationToken).ConfigureAwait(false);
        return Plan(reference, pull, checkpoint, commit, snapshot) with { Snapshot = snapshot };
    }

    private async Task<PullPlan> PlanCheckpointAsync(
        ModelReference reference, PullOptions pull, Repository repository, HubCheckpointSource source, string folder, CancellationToken cancellationToken)
    {
        bool hasGguf = repository.Files.Any(file => file.Path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase));
        RepositoryFile config = repository.Find("config.json") ?? throw new ModelHubException(ModelHubError.Other,
            $"{repository.Id} has no config.json{(hasGguf ? ", but GGUF files, which are not read" : "")}; " +
            "name a checkpoint with safetensors weights, or a model folder");
        await SaveAsync(repository, config, folder, cancellationToken).ConfigureAwait(false);
        Exporter.ReadArchitecture(folder);
        RepositoryFile[] smallFiles = [.. repository.Files.Where(IsSmallFile)];
        await SaveAsync(repository, smallFiles, folder, cancellationToken).ConfigureAwait(false);
        await source.AddAsync(repository.Files.Where(file => file.Path.EndsWith(".safetensors", StringComparison.Ordinal) && !file.Path.Contains('/')),
            cancellationToken).ConfigureAwait(false);
        var checkpoint = await StreamedCheckpoint.OpenAsync(source, folder, cancellationToken).ConfigureAwait(false);
        PullPlan plan = Plan(reference, pull, checkpoint, repository.Commit, folder);
        return plan with
        {
            Reference = ModelReference.Parse($"{repository.Id}{(reference.Revision is null ? "" : "@" + reference.Revision)}:{plan.Reference.Variant}"),
            Folder = pull.Folder
                ?? store.FolderOf(ModelReference.Parse(repository.Id + (reference.Revision is null ? "" : "@" + reference.Revision)), plan.Reference.Variant!),
            License = repository.License,
            IsGated = repository.IsGated,
            Repository = repository,
            SmallFiles = smallFiles,
            Source = source,
            DiskBytes = plan.DiskBytes + (pull.KeepsCheckpoint ? plan.DownloadBytes : 0),
        };
    }

    private PullPlan Plan(ModelReference reference, PullOptions pull, StreamedCheckpoint checkpoint, string commit, string folder)
    {
        (ModelVariant variant, ExportPlan export) = Choose(reference, pull, checkpoint);
        ModelReference chosen = reference.WithVariant(variant.ToString());
        string output = pull.Folder ?? store.FolderOf(chosen, variant.ToString());
        return new PullPlan(chosen, output, pull)
        {
            Commit = commit,
            Architecture = export.Architecture,
            Parameters = export.Parameters,
            DownloadBytes = export.DownloadBytes,
            // In this order: what another process takes for this model in between counts as already there, and not as missing.
            FreeDiskBytes = ModelStore.FreeBytes(output),
            DiskBytes = Math.Max(0, export.WeightBytes - AlreadyThere(output)) + OtherBytes,
            WeightBytes = export.WeightBytes,
            Cache = export.Cache,
            ContextLength = export.ContextLength,
            MachineMemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            Checkpoint = checkpoint,
            FilesFolder = folder,
        };
    }

    /// <summary>
    /// The requested variant. Otherwise int4 for models of more than a billion parameters, whose weights are read from memory for each token, and
    /// int8 for smaller ones. If a precision does not fit the memory, a smaller one is chosen.
    /// </summary>
    private static (ModelVariant Variant, ExportPlan Plan) Choose(ModelReference reference, PullOptions pull, StreamedCheckpoint checkpoint)
    {
        ModelVariant? named = ModelVariant.TryParse(reference.Variant, out ModelVariant? read) ? read : null;
        Device device = pull.Device ?? named?.Device ?? Device.Cpu;
        int blockSize = pull.BlockSize ?? named?.BlockSize ?? 32;
        ModelVariant smallest = new() { Precision = pull.Precision ?? named?.Precision ?? Precision.Int4, BlockSize = blockSize, Device = device };
        ExportPlan plan = checkpoint.Plan(ExportOptionsOf(smallest, "-"));
        if (pull.Precision is not null || named is not null || plan.Parameters > BillionParameters)
            return (smallest, plan);
        ModelVariant better = smallest with { Precision = Precision.Int8 };
        ExportPlan betterPlan = checkpoint.Plan(ExportOptionsOf(better, "-"));
        return betterPlan.WeightBytes <= GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2 ? (better, betterPlan) : (smallest, plan);
    }

    /// <summary>The export options of a variant.</summary>
    public static ExportOptions ExportOptionsOf(ModelVariant variant, string folder) =>
        new() { CheckpointFolder = folder, OutputFolder = folder, Precision = variant.Precision, BlockSize = variant.BlockSize, Device = variant.Device };

    private async Task<PullPlan> PlanFolderAsync(
        ModelReference reference, PullOptions pull, Repository repository, HubCheckpointSource source, string folder, RepositoryFile manifestFile,
        CancellationToken cancellationToken)
    {
        await SaveAsync(repository, manifestFile, folder, cancellationToken).ConfigureAwait(false);
        var manifest = ModelManifest.Load(folder);
        RepositoryFile[] files = [.. manifest.Files.Keys.Select(name => repository.Find(name)
            ?? throw new ModelHubException(
                ModelHubError.Damaged, $"{repository.Id} has no file {name}, which its {ModelManifest.FileName} names; tell its owner"))];
        await source.AddAsync(files, cancellationToken).ConfigureAwait(false);
        string variant = manifest.Precision + (manifest.Device is null ? "" : "-" + manifest.Device);
        if (reference.Variant is not null && reference.Variant != variant)
            throw new ModelHubException(ModelHubError.NotFound,
                $"{repository.Id} is a finished model folder in {variant}, and cannot be had in {reference.Variant}; leave the variant out");
        var named = ModelReference.Parse(repository.Id + (reference.Revision is null ? "" : "@" + reference.Revision));
        string output = pull.Folder ?? store.FolderOf(named, variant);
        long bytes = source.Files.Sum(file => file.SizeBytes);
        return new PullPlan(named.WithVariant(variant), output, pull)
        {
            Commit = repository.Commit,
            License = repository.License,
            IsGated = repository.IsGated,
            Architecture = manifest.Architecture,
            DownloadBytes = bytes,
            FreeDiskBytes = ModelStore.FreeBytes(output),
            DiskBytes = Math.Max(0, bytes - AlreadyThere(output)),
            WeightBytes = source.Files.Where(file => file.Name.EndsWith(".data", StringComparison.Ordinal)).Sum(file => file.SizeBytes),
            ContextLength = manifest.ContextLength,
            MachineMemoryBytes = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            Repository = repository,
            SmallFiles = [manifestFile],
            Source = source,
            FilesFolder = folder,
        };
    }

    /// <summary>Whether a file is part of a checkpoint besides its weights: configurations, the tokenizer, templates.</summary>
    private static bool IsSmallFile(RepositoryFile file) =>
        !file.Path.Contains('/') && file.SizeBytes is null or <= MaxSmallFileBytes
        && (file.Path.EndsWith(".json", StringComparison.Ordinal) || file.Path.EndsWith(".jinja", StringComparison.Ordinal) || file.Path is "merges.txt");

    /// <summary>Saves small files. A pull saves them again, since another process that has finished the model may have removed them.</summary>
    public async Task SaveAsync(Repository repository, IEnumerable<RepositoryFile> files, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        foreach (RepositoryFile file in files)
            await SaveAsync(repository, file, folder, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Saves a small file for the duration of the pull, so that a continued pull does not read it again.</summary>
    private async Task SaveAsync(Repository repository, RepositoryFile file, string folder, CancellationToken cancellationToken)
    {
        string path = Path.Combine(folder, file.Path);
        if (File.Exists(path))
            return;
        reporter.Note($"reading {file.Path}");
        byte[] content = await api.ReadAsync(repository, file, MaxSmallFileBytes, cancellationToken).ConfigureAwait(false);
        string next = $"{path}.{Guid.NewGuid():N}";
        await File.WriteAllBytesAsync(next, content, cancellationToken).ConfigureAwait(false);
        File.Move(next, path, overwrite: true);
    }

    /// <summary>Bytes that an interrupted pull already uses: its weights have their full length from the start.</summary>
    private static long AlreadyThere(string output)
    {
        DirectoryInfo partial = new(StreamedCheckpoint.PartialFolderOf(output));
        return partial.Exists ? partial.EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) : 0;
    }
}
