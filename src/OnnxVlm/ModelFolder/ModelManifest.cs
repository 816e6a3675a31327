using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxVlm.Chat.Tools;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// <c>onnxvlm.json</c>: what a model folder holds and how images are prepared for it. Immutable, so it can be shared between threads.
/// <see cref="Load"/> reads and checks it, <see cref="VerifyFiles"/> compares the files of the folder with it.
/// </summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ModelManifest
{
    /// <summary>Name of the file in the model folder.</summary>
    public const string FileName = "onnxvlm.json";

    /// <summary>The <see cref="FormatVersion"/> that this version writes.</summary>
    public const int CurrentFormatVersion = 3;

    /// <summary>The oldest <see cref="FormatVersion"/> that this version reads.</summary>
    public const int OldestFormatVersion = 2;

    /// <summary>The values of <see cref="Precision"/>.</summary>
    public static IReadOnlyList<string> Precisions { get; } = ["fp32", "fp16", "int8", "int4"];

    /// <summary>Files that every model folder must have.</summary>
    public static IReadOnlyList<string> RequiredFiles { get; } = ["model.onnx", "model.onnx.data", "genai_config.json"];

    /// <summary>The tokenizer's files: a folder has both, or neither if it was exported from bare weights.</summary>
    public static IReadOnlyList<string> TokenizerFiles { get; } = ["tokenizer.json", "tokenizer_config.json"];

    private const long MaxManifestBytes = 1 << 20;

    /// <summary>Files from this size on take so long to read that their verification is remembered.</summary>
    private const long LargeFileBytes = 64 << 20;

    /// <summary>
    /// Version of the folder's format: 3, or 2, whose layers with a window cache all tokens. In graphs of version 1 the sequences of a batch had one length.
    /// </summary>
    public required int FormatVersion { get; init; }

    /// <summary>The checkpoint's <c>model_type</c>, for example <c>unified_decoder</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>Where the weights came from.</summary>
    public required ModelSource Source { get; init; }

    /// <summary>Storage of the weights: <c>fp32</c>, <c>fp16</c>, <c>int8</c> or <c>int4</c>.</summary>
    public required string Precision { get; init; }

    /// <summary>The device that the graph was written for, <c>cuda</c> or <c>directml</c>; null for the CPU. It also runs on other devices.</summary>
    public string? Device { get; init; }

    /// <summary>The most tokens of prompt and answer together.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Rows of the embedding and width of the logits; may exceed the tokenizer's vocabulary.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Ids of the tokens that end an answer.</summary>
    public required IReadOnlyList<int> EndTokenIds { get; init; }

    /// <summary>Ids that are never generated, because the model was not trained to produce them; null for none.</summary>
    public IReadOnlyList<int>? SuppressedTokenIds { get; init; }

    /// <summary>The tokens that separate reasoning from the answer; null for a model without reasoning.</summary>
    public ReasoningTokens? Reasoning { get; init; }

    /// <summary>How the model writes function calls: <c>hermes</c>, <c>gemma</c> or <c>qwen_xml</c>; null for <c>hermes</c>.</summary>
    public string? ToolSyntax { get; init; }

    /// <summary>The sampling that the model's authors recommend; null where they recommend none, and sampling is greedy.</summary>
    public SamplingDefaults? Sampling { get; init; }

    /// <summary>KV-cache elements of one token; null where all layers are alike, and <c>genai_config.json</c> determines it.</summary>
    public long? CacheNumbersPerToken { get; init; }

    /// <summary>Storage of keys and values in the cache: <c>int8</c>, with a scale for each channel; null for floats of the type of the activations.</summary>
    public string? CachePrecision { get; init; }

    /// <summary>
    /// Tokens that a layer with a window sees, where the graph has the input <c>evicted</c>: then the cache of such layers needs no more than these.
    /// Null for models without such layers, and for graphs in which they cache all tokens.
    /// </summary>
    public int? SlidingWindow { get; init; }

    /// <summary>Float32 elements of the recurrent state that a sequence has beside the KV cache, however long it is. Null for none.</summary>
    public long? StateElements { get; init; }

    /// <summary>How images become patches and tokens.</summary>
    public required ImageRules Image { get; init; }

    /// <summary>
    /// File name to SHA-256 in lower-case hexadecimal: each file of the folder except this one, README.md, LICENSE and the contents of subfolders.
    /// </summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <summary>Whether the folder has a tokenizer. A model without one takes only token ids.</summary>
    [JsonIgnore]
    public bool HasTokenizer => Files.ContainsKey(TokenizerFiles[0]);

    /// <summary>Bytes of a number of the key/value cache.</summary>
    [JsonIgnore]
    internal int CacheNumberBytes => CachePrecision is null ? ActivationBytes : 1;

    /// <summary>Bytes of a number of the hidden states: graphs for GPUs compute in 16 bits, unless they were exported as fp32.</summary>
    [JsonIgnore]
    internal int ActivationBytes => Precision == "fp16" || (Device is not null && Precision != "fp32") ? 2 : 4;

    /// <summary>Reads and checks <c>onnxvlm.json</c>. The other files are not opened: see <see cref="VerifyFiles"/>.</summary>
    /// <param name="folder">The model folder.</param>
    /// <exception cref="ArgumentException"><paramref name="folder"/> is null, empty or blank.</exception>
    /// <exception cref="ModelLoadException">
    /// The folder or the file is missing, unreadable, not valid JSON, or has a key or value that is missing, unknown or out of range.
    /// </exception>
    public static ModelManifest Load(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        string path = Path.Combine(folder, FileName);
        if (!Directory.Exists(folder))
            throw new ModelLoadException($"{folder}: there is no such model folder; give the folder that `onnxvlm export` wrote");
        if (!File.Exists(path))
            throw new ModelLoadException($"{path}: missing, so this is not a model folder; give the folder that `onnxvlm export` wrote, or export again");

        try
        {
            long sizeBytes = new FileInfo(path).Length;
            if (sizeBytes > MaxManifestBytes)
                throw new ModelLoadException($"{path}: expected at most {MaxManifestBytes} bytes, found {sizeBytes}; export the model again");
            byte[] json = File.ReadAllBytes(path);
            RefuseOtherVersion(json, folder);
            ModelManifest manifest = JsonSerializer.Deserialize(json, ManifestJson.Strict.ModelManifest)
                ?? throw new ModelLoadException($"{path}: expected an object, found null; export the model again");
            manifest.Validate();
            return manifest;
        }
        catch (JsonException exception)
        {
            throw new ModelLoadException($"{path}: {FirstLine(exception)}; export the model again", exception);
        }
        catch (ArgumentException exception)
        {
            throw new ModelLoadException($"{path}: {FirstLine(exception)}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"{path}: cannot be read ({exception.Message}); check the file's permissions", exception);
        }
    }

    /// <summary>Writes the manifest as UTF-8 JSON.</summary>
    /// <param name="path">The file to write; an existing one is replaced.</param>
    /// <exception cref="ArgumentException">A value of this manifest is out of range.</exception>
    public void Save(string path)
    {
        Validate();
        File.WriteAllBytes(path, [.. JsonSerializer.SerializeToUtf8Bytes(this, ManifestJson.Strict.ModelManifest), (byte)'\n']);
    }

    /// <summary>Compares each file of <see cref="Files"/> with its SHA-256, streaming. Files that the manifest does not name are ignored.</summary>
    /// <param name="folder">The folder this manifest was loaded from.</param>
    /// <param name="cancellationToken">Checked between blocks of 1 MiB.</param>
    /// <exception cref="ArgumentException"><paramref name="folder"/> is null, empty or blank.</exception>
    /// <exception cref="ModelLoadException">A file is missing, is a link that leads out of the folder, cannot be read, or has other content.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void VerifyFiles(string folder, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        foreach (string name in Files.Keys)
        {
            RefuseMissing(folder, name);
            VerifyHash(folder, name, cancellationToken);
        }
    }

    /// <summary>
    /// The same for a model that is being loaded: small files are compared at once. Large ones are compared by the returned task, unless they are
    /// known to be unchanged since an earlier comparison.
    /// </summary>
    /// <param name="folder">The folder this manifest was loaded from.</param>
    /// <param name="known">Files compared before.</param>
    /// <param name="cancellationToken">Ends the task.</param>
    /// <exception cref="ModelLoadException">As <see cref="VerifyFiles"/>; the task fails with it too.</exception>
    internal Task VerifyFilesWhileLoadingAsync(string folder, VerifiedFiles known, CancellationToken cancellationToken)
    {
        List<string> large = [];
        foreach (string name in Files.Keys)
        {
            RefuseMissing(folder, name);
            if (new FileInfo(Path.Combine(folder, name)).Length >= LargeFileBytes)
                large.Add(name);
            else
                VerifyHash(folder, name, cancellationToken);
        }

        large.RemoveAll(name => known.Contains(Path.Combine(folder, name), Files[name]));
        return large.Count == 0 ? Task.CompletedTask : Task.Run(
            () =>
            {
                foreach (string name in large)
                {
                    string path = Path.Combine(folder, name), description = VerifiedFiles.Describe(path, Files[name]);
                    VerifyHash(folder, name, cancellationToken);
                    known.Add(path, description);
                }
            },
            cancellationToken);
    }

    /// <summary>SHA-256 of a file in lower-case hexadecimal.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Checked between blocks of 1 MiB.</param>
    /// <exception cref="ModelLoadException">The file is missing or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string HashFile(string path, CancellationToken cancellationToken = default) => HashFile(path, progress: null, cancellationToken);

    /// <summary>SHA-256 of a file in lower-case hexadecimal, with progress for large files.</summary>
    /// <param name="path">The file.</param>
    /// <param name="progress">Receives the bytes read so far, after each block; null for none.</param>
    /// <param name="cancellationToken">Checked between blocks of 1 MiB.</param>
    /// <exception cref="ModelLoadException">The file is missing or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string HashFile(string path, Action<long>? progress, CancellationToken cancellationToken)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            byte[] block = new byte[1 << 20];
            long done = 0;
            for (int read; (read = file.Read(block)) > 0;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                hash.AppendData(block, 0, read);
                progress?.Invoke(done += read);
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"{path}: cannot be read ({exception.Message}); check that it exists and may be read", exception);
        }
    }

    private void Validate()
    {
        if (FormatVersion is < OldestFormatVersion or > CurrentFormatVersion)
            throw new ArgumentException($"format_version: expected {CurrentFormatVersion}, found {FormatVersion}; update OnnxVlm, or export the model again");
        if (string.IsNullOrWhiteSpace(Architecture))
            throw new ArgumentException("architecture: expected a name, found an empty string; export the model again");
        ManifestCheck.Present(Source, "source");
        if (!Precisions.Contains(Precision))
            throw new ArgumentException($"precision: expected {string.Join(", ", Precisions)}, found \"{Precision}\"; export the model again");
        if (Device is not (null or "cuda" or "directml"))
            throw new ArgumentException($"device: expected cuda or directml, found \"{Device}\"; export the model again");
        ManifestCheck.Range(ContextLength, 1, int.MaxValue, "context_length");
        ManifestCheck.Range(VocabularySize, 1, int.MaxValue, "vocabulary_size");
        ManifestCheck.Present(EndTokenIds, "end_token_ids");
        ManifestCheck.Range(EndTokenIds.Count, 1, 64, "end_token_ids (how many)");
        foreach (int id in EndTokenIds)
            ManifestCheck.Range(id, 0, VocabularySize - 1, "end_token_ids");
        foreach (int id in SuppressedTokenIds ?? [])
            ManifestCheck.Range(id, 0, VocabularySize - 1, "suppressed_token_ids");
        ManifestCheck.Range(Reasoning?.Begin, 0, VocabularySize - 1, "reasoning.begin");
        ManifestCheck.Range(Reasoning?.End, 0, VocabularySize - 1, "reasoning.end");
        if (ToolSyntax is not null && !ToolSyntaxes.Names.Contains(ToolSyntax))
            throw new ArgumentException(
                $"tool_syntax: expected {string.Join(", ", ToolSyntaxes.Names)}, found \"{ToolSyntax}\"; update OnnxVlm, or export the model again");
        Sampling?.Validate();
        if (CacheNumbersPerToken is <= 0)
            throw new ArgumentException($"cache_numbers_per_token: expected 1 or more, found {CacheNumbersPerToken}; export the model again");
        if (CachePrecision is not (null or "int8"))
            throw new ArgumentException($"cache_precision: expected int8 or nothing, found \"{CachePrecision}\"; update OnnxVlm, or export the model again");
        if (SlidingWindow is <= 0)
            throw new ArgumentException($"sliding_window: expected 1 or more, found {SlidingWindow}; export the model again");
        if (StateElements is <= 0)
            throw new ArgumentException($"state_elements: expected 1 or more, found {StateElements}; export the model again");
        ManifestCheck.Present(Image, "image");
        Image.Validate();
        ManifestCheck.Range(Image.Tokens.Placeholder, 0, VocabularySize - 1, "image.tokens.placeholder");
        ManifestCheck.Range(Image.Tokens.RowEnd, 0, VocabularySize - 1, "image.tokens.row_end");
        ManifestCheck.Range(Image.Tokens.Begin, 0, VocabularySize - 1, "image.tokens.begin");
        ManifestCheck.Range(Image.Tokens.End, 0, VocabularySize - 1, "image.tokens.end");
        ValidateFiles();
    }

    // This check comes first: a folder of another version may have other keys.
    private static void RefuseOtherVersion(byte[] json, string folder)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("format_version", out JsonElement version)
            || version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out int found) || found >= OldestFormatVersion)
            return;
        string precision = Text("precision", "fp32"), device = Text("device", "cpu");
        throw new ArgumentException(
            $"format_version: expected {CurrentFormatVersion}, found {found}; the folder is older than this OnnxVlm; export the model again: "
            + $"onnxvlm export --checkpoint DIR --output {folder} --precision {precision} --device {device} --overwrite");

        string Text(string key, string missing) =>
            document.RootElement.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : missing;
    }

    private void ValidateFiles()
    {
        ManifestCheck.Present(Files, "files");
        foreach ((string name, string hash) in Files)
        {
            // A plain name in the folder itself: no separator, no "..", no drive, no alternate stream.
            if (name.Length == 0 || name is "." or ".." || name.AsSpan().IndexOfAny("/\\:\0") >= 0)
                throw new ArgumentException($"files: expected plain file names, found \"{name}\"; export the model again");
            if (hash is not { Length: 64 } || !hash.All(char.IsAsciiHexDigitLower))
                throw new ArgumentException($"files.{name}: expected 64 lower-case hexadecimal digits, found \"{hash}\"; export the model again");
        }

        foreach (string name in TokenizerFiles.Any(Files.ContainsKey) ? RequiredFiles.Concat(TokenizerFiles) : RequiredFiles)
        {
            if (!Files.ContainsKey(name))
                throw new ArgumentException($"files: expected an entry for {name}, found none; export the model again");
        }
    }

    private static void RefuseMissing(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        if (!File.Exists(path))
            throw new ModelLoadException($"{path}: named in {FileName} and missing; export the model or copy the folder again");
        RefuseLinkOut(folder, path);
    }

    private void VerifyHash(string folder, string name, CancellationToken cancellationToken)
    {
        string path = Path.Combine(folder, name), expected = Files[name], found = HashFile(path, cancellationToken);
        if (!found.Equals(expected, StringComparison.Ordinal))
            throw new ModelLoadException($"{path}: expected SHA-256 {expected} ({FileName}), found {found}; export the model or copy the folder again");
    }

    private static void RefuseLinkOut(string folder, string path)
    {
        // A link inside the folder is fine. Hugging Face caches link out of it; the hashes would then describe files that others can change.
        FileSystemInfo? target = File.ResolveLinkTarget(path, returnFinalTarget: true);
        if (target is null)
            return;
        FileSystemInfo? linkedFolder = Directory.ResolveLinkTarget(folder, returnFinalTarget: true);
        if (!IsIn(target.FullName, folder) && (linkedFolder is null || !IsIn(target.FullName, linkedFolder.FullName)))
            throw new ModelLoadException($"{path}: expected a file of the folder, found a link to {target.FullName}; copy the folder again, following links");
    }

    private static bool IsIn(string path, string folder) =>
        Path.GetFullPath(path).StartsWith(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static string FirstLine(Exception exception) => exception.Message.Split('\n')[0].TrimEnd('.', '\r');
}
