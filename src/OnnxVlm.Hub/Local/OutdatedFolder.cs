using System.Text.Json;
using OnnxVlm.Export;
using OnnxVlm.Export.Inspection;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Hub.Local;

/// <summary>The origin of a model, from a manifest of another version.</summary>
/// <param name="Reference">The checkpoint, at its commit.</param>
/// <param name="Variant">How it is stored.</param>
internal sealed record OutdatedFolder(ModelReference Reference, ModelVariant Variant)
{
    /// <summary>Reads the manifest of a folder.</summary>
    /// <returns>The origin; null for a folder that this version reads.</returns>
    /// <exception cref="ModelHubException">The folder is not a model folder, does not name a checkpoint on the hub, or is of a later version.</exception>
    public static OutdatedFolder? Read(string folder)
    {
        string path = Path.Combine(folder, ModelManifest.FileName);
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            JsonElement root = document.RootElement, source = root.GetProperty("source");
            int version = root.GetProperty("format_version").GetInt32();
            if (version == ModelManifest.CurrentFormatVersion)
                return null;
            if (version > ModelManifest.CurrentFormatVersion)
                throw new ModelHubException(ModelHubError.Other,
                    $"{path}: a later version of OnnxVlm wrote it (format {version}, this one reads {ModelManifest.CurrentFormatVersion}); update OnnxVlm");
            string name = source.GetProperty("name").GetString() ?? "", revision = source.GetProperty("revision").GetString() ?? "";
            string device = root.TryGetProperty("device", out JsonElement given) && given.GetString() is string text ? "-" + text : "";
            if (!ModelReference.TryParse($"{name}@{revision}", out ModelReference? reference) || revision.Length != 40
                || !ModelVariant.TryParse(root.GetProperty("precision").GetString() + device, out ModelVariant? variant))
                throw new ModelHubException(ModelHubError.Other,
                    $"{path}: names no commit of a model on the hub ({name} @ {revision}); export it again with onnxvlm export --overwrite");
            return new OutdatedFolder(reference, variant with { BlockSize = BlockSizeOf(folder, variant) });
        }
        catch (Exception exception) when (exception is IOException
            or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ModelHubException(ModelHubError.Other,
                $"{path}: is not a manifest of a model folder ({exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}); " +
                "give the folder of a model", exception);
        }
    }

    /// <summary>The manifest does not have the block size; the graph does.</summary>
    private static int BlockSizeOf(string folder, ModelVariant variant)
    {
        const string Block = "block ";
        if (variant.Precision is Precision.Fp32 or Precision.Fp16)
            return variant.BlockSize;
        foreach (string storage in ModelInspector.Inspect(folder).Weights.Select(group => group.Storage))
        {
            int at = storage.IndexOf(Block, StringComparison.Ordinal);
            if (at >= 0 && int.TryParse(new string([.. storage[(at + Block.Length)..].TakeWhile(char.IsAsciiDigit)]), out int size) && size is 32 or 64 or 128)
                return size;
        }

        return variant.BlockSize;
    }
}
