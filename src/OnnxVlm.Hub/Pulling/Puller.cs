using OnnxVlm.Export;
using OnnxVlm.Export.Streaming;
using OnnxVlm.Export.Trials;
using OnnxVlm.Hub.Cache;
using OnnxVlm.Hub.Local;
using OnnxVlm.Hub.Protocol;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub.Pulling;

/// <summary>Carries out a plan, one process at a time for a model.</summary>
internal sealed class Puller(ModelHubOptions options, ModelStore store, Planner planner, PullReporter reporter)
{
    public async Task<LocalModel> PullAsync(PullPlan plan, CancellationToken cancellationToken)
    {
        if (!plan.FitsDisk)
        {
            throw new ModelHubException(
                ModelHubError.DiskTooSmall, $"{plan.Reference}: needs {plan.DiskBytes / 1e9:F1} GB, and " +
                $"the disk of {options.ModelsFolder} has {plan.FreeDiskBytes / 1e9:F1} GB free; make room, or give ONNXVLM_MODELS a folder on another disk");
        }

        using (await ModelStore.LockAsync(plan.Folder, () => reporter.Note("another process is pulling this model; waiting for it", isWaiting: true),
            cancellationToken).ConfigureAwait(false))
        {
            // The other process may have finished the model.
            if (plan.Options.PullsAgain || Find(plan) is not { State: LocalModelState.Ready } done)
            {
                if (plan.Repository is Repository repository)
                    await planner.SaveAsync(repository, plan.SmallFiles, plan.FilesFolder, cancellationToken).ConfigureAwait(false);
                await (plan.Checkpoint is null ? PullFolderAsync(plan, cancellationToken) : PullCheckpointAsync(plan, cancellationToken)).ConfigureAwait(false);
                done = Find(plan) ?? new LocalModel(plan.Reference, plan.Folder, LocalModelState.Ready, plan.DiskBytes, DateTimeOffset.UtcNow)
                {
                    Source = ModelManifest.Load(plan.Folder).Source,
                };
            }

            if (plan.Snapshot is null)
                ModelStore.RemoveIfEmpty(Path.GetDirectoryName(plan.FilesFolder)!);
            return done;
        }
    }

    public async Task VerifyAsync(PullPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Checkpoint is null)
            ModelManifest.Load(plan.Folder).VerifyFiles(plan.Folder, cancellationToken);
        else
            await plan.Checkpoint.VerifyAsync(OptionsOf(plan), new ExportReporter(reporter), cancellationToken).ConfigureAwait(false);
        if (plan.Snapshot is null)
            ModelStore.RemoveIfEmpty(Path.GetDirectoryName(plan.FilesFolder)!);
    }

    private LocalModel? Find(PullPlan plan) => store.Find(plan.Reference).FirstOrDefault(model => model.Folder == plan.Folder);

    private static ExportOptions OptionsOf(PullPlan plan)
    {
        ModelVariant variant = ModelVariant.TryParse(plan.Reference.Variant, out ModelVariant? read)
            ? read
            : throw new InvalidOperationException("A plan has a variant.");
        return Planner.ExportOptionsOf(variant, plan.FilesFolder) with { OutputFolder = plan.Folder, Overwrite = true };
    }

    private async Task PullCheckpointAsync(PullPlan plan, CancellationToken cancellationToken)
    {
        StreamedCheckpoint checkpoint = plan.Checkpoint!;
        if (plan.Options.KeepsCheckpoint && plan.Snapshot is null)
            checkpoint = await KeepAsync(plan, cancellationToken).ConfigureAwait(false);
        ExportOptions export = OptionsOf(plan);
        ExportReport report = await checkpoint.ExportAsync(
            export with { Trial = options.Trial?.Invoke(export.Device) }, new ExportReporter(reporter), cancellationToken).ConfigureAwait(false);
        if (report.TrialOmitted is string why)
            reporter.Note($"the graph was not tried: {why}");
    }

    /// <summary>Downloads the checkpoint into Hugging Face's cache; it is exported from there.</summary>
    private async Task<StreamedCheckpoint> KeepAsync(PullPlan plan, CancellationToken cancellationToken)
    {
        HuggingFaceCache cache = new(options.CacheFolder);
        CacheWriter writer = new(cache.FolderOf(plan.Reference.Id), plan.Commit, options.UsesSymlinks);
        try
        {
            await new CheckpointKeeper(plan, writer, reporter).RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelHubException(
                ModelHubError.Other, $"{options.CacheFolder}: " +
                $"cannot be written ({exception.Message.ReplaceLineEndings(" ")}); give HF_HUB_CACHE a folder that you may write to", exception);
        }

        return await StreamedCheckpoint.OpenAsync(
            new SnapshotSource(plan.Reference.Id, plan.Commit, writer.Snapshot), writer.Snapshot, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Downloads a finished model folder.</summary>
    private async Task PullFolderAsync(PullPlan plan, CancellationToken cancellationToken)
    {
        string partial = StreamedCheckpoint.PartialFolderOf(plan.Folder), folder = Path.Combine(partial, "model");
        try
        {
            Directory.CreateDirectory(folder);
            var manifest = ModelManifest.Load(plan.FilesFolder);
            long before = 0;
            foreach (CheckpointFile file in plan.Source!.Files)
            {
                string expected = manifest.Files[file.Name];
                string found = await new FileDownload(plan.Source).RunAsync(
                    file with { Sha256 = file.Sha256 ?? expected }, Path.Combine(folder, file.Name),
                    done => reporter.Report(PullStage.Downloading, before + done, plan.DownloadBytes), cancellationToken).ConfigureAwait(false);
                if (found != expected)
                    throw new ModelHubException(ModelHubError.Damaged,
                        $"{plan.Reference.Id}: {file.Name}: its {ModelManifest.FileName} says SHA-256 {expected}, found {found}; tell its owner");
                before += file.SizeBytes;
            }

            foreach (string path in Directory.EnumerateFiles(folder).Where(path => !manifest.Files.ContainsKey(Path.GetFileName(path))).ToList())
                File.Delete(path);
            File.Copy(Path.Combine(plan.FilesFolder, ModelManifest.FileName), Path.Combine(folder, ModelManifest.FileName), overwrite: true);
            if (Directory.Exists(plan.Folder))
                Directory.Delete(plan.Folder, recursive: true);
            Directory.Move(folder, plan.Folder);
            Directory.Delete(partial, recursive: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw ModelStore.CannotWrite(plan.Folder, exception);
        }
    }

    /// <summary>An export first reports pieces of the weights, and then hashes; only the hashes of large files take long enough to be shown.</summary>
    private sealed class ExportReporter(PullReporter reporter) : IProgress<ExportProgress>
    {
        private const long LargeFileBytes = 64 << 20;

        public void Report(ExportProgress value)
        {
            bool isHash = value.Step.StartsWith("SHA-256", StringComparison.Ordinal);
            if (value.Step == GraphTrial.Step)
            {
                reporter.Report(PullStage.Finishing, 0, 0);
                reporter.Note(value.Step);
            }
            else if (!isHash || value.BytesTotal >= LargeFileBytes)
            {
                reporter.Report(isHash ? PullStage.Finishing : PullStage.Downloading, value.BytesDone, value.BytesTotal);
            }
        }
    }
}
