using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Trials;

/// <summary>
/// Tries the graph of a model folder: it reads a short prompt, with an image where the model's rules take a small one, and then one token of its own.
/// </summary>
public static class GraphTrial
{
    /// <summary>What <see cref="ExportProgress.Step"/> is while an export has the graph tried.</summary>
    public const string Step = "running the graph for one token";

    private const long MegaByte = 1 << 20;

    /// <summary>What the runtime takes beside the weights.</summary>
    private const long OtherBytes = 512 * MegaByte;

    /// <summary>
    /// Runs a model folder in this process. The runtime is native code, which a bad graph can end together with the process: what must live on starts
    /// another one for this, as <see cref="ExportOptions.Trial"/> is meant.
    /// </summary>
    /// <param name="folder">The model folder; its hashes are not compared.</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="VlmException">The folder cannot be loaded, the graph does not run, or its logits are no numbers.</exception>
    public static void Run(string folder, Device device)
    {
        using VlmModel model = VlmModel.Load(folder, new VlmOptions { Device = device, VerifyHashes = false, CacheBytes = 64 * MegaByte });
        int end = model.Manifest.EndTokenIds[0];
        PromptSegment text = new(new[] { end });
        List<PromptSegment> prompt = [text];
        if (ReadImage(model) is PatchGrid image)
        {
            PromptSegment run = ImageRun.Create(model.Manifest.Image.Tokens, image);
            // The text, the image, the text again, and the token that follows.
            if (run.TokenIds.Length + 3 <= model.Manifest.ContextLength)
                prompt = [text, run, text];
        }

        using VlmSequence sequence = model.CreateSequence(prompt.Sum(segment => segment.TokenIds.Length) + 1, prompt.Sum(segment => segment.Image?.Count ?? 0));
        sequence.Append(prompt);
        sequence.Append(new PromptSegment(new[] { Best(sequence.NextLogits()) }));
        Best(sequence.NextLogits());
    }

    /// <summary>Why a folder that was just written is not tried here: its device is missing, or the memory is too small.</summary>
    /// <param name="device">The device that the graph was written for.</param>
    /// <param name="precision">Storage of the weights.</param>
    /// <param name="weightBytes">Bytes of the weights.</param>
    /// <returns>The reason; null where nothing speaks against it.</returns>
    internal static string? Obstacle(Device device, Precision precision, long weightBytes)
    {
        if (DeviceCatalog.MissingFor(device) is string missing)
            return missing;
        if (device != Device.Cpu)
            return null;
        // The runtime packs the matrices, which is a copy of them; 16-bit ones it also widens.
        long needed = (precision == Precision.Fp16 ? 2 : 1) * (weightBytes + (weightBytes / 4)) + OtherBytes, free = FreeMemory();
        return needed <= free ? null : $"it needs {needed / MegaByte} MB of memory, and {free / MegaByte} MB are free";
    }

    private static long FreeMemory()
    {
        // The load is what the last collection found.
        GC.Collect();
        GCMemoryInfo memory = GC.GetGCMemoryInfo();
        return Math.Max(0, memory.TotalAvailableMemoryBytes - memory.MemoryLoadBytes);
    }

    // Some models take pictures of few sizes only.
    private static PatchGrid? ReadImage(VlmModel model)
    {
        try
        {
            return model.ImagePreprocessor.Process(Convert.FromBase64String(PromptTrial.Picture));
        }
        catch (InvalidImageException)
        {
            return null;
        }
    }

    private static int Best(float[] logits)
    {
        int best = 0;
        for (int i = 0; i < logits.Length; i++)
        {
            if (!float.IsFinite(logits[i]))
                throw new VlmException($"logit {i} is {logits[i]}");
            best = logits[i] > logits[best] ? i : best;
        }

        return best;
    }
}
