using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Runtime;

/// <summary>Loads a model folder on a device, with the runner that suits it.</summary>
/// <param name="folder">The folder, already checked against its manifest.</param>
/// <param name="manifest">Its manifest.</param>
/// <param name="runner">What runs the model.</param>
/// <param name="threads">Threads of the CPU device.</param>
/// <param name="cacheBytes">Memory for rows, on a device that allocates it in advance.</param>
internal sealed class DecoderLoader(string folder, ModelManifest manifest, Runner runner, int threads, long cacheBytes)
{
    /// <summary>Loads the model.</summary>
    /// <param name="device">Where to run; <see cref="Device.Auto"/> takes the first device that works.</param>
    /// <returns>The model; the caller disposes it.</returns>
    /// <exception cref="ModelLoadException">The runtime refuses the folder, or the device cannot be used; the message says why.</exception>
    public IDecoder Load(Device device)
    {
        if (device != Device.Auto)
            return LoadOn(device);
        foreach (Device candidate in DeviceCatalog.Candidates)
        {
            if (!DeviceCatalog.IsPresent(candidate))
                continue;
            try
            {
                return LoadOn(candidate);
            }
            catch (ModelLoadException) when (candidate != Device.Cpu)
            {
                // Auto means the first device that works; `onnxvlm doctor` says why the others do not.
            }
        }
        throw new ModelLoadException("No device works, not even the CPU; run `onnxvlm doctor` to see why.");
    }

    private IDecoder LoadOn(Device device)
    {
        DeviceCatalog.EnsurePresent(device);
        bool hasRows = device is Device.Cpu or Device.Cuda;
        if (runner == Runner.Ort && !hasRows)
            throw new ModelLoadException($"The runner ort does not run on {device}, only on cpu and cuda; choose the runner genai or another device.");
        PackingAllocator? allocator = null;
        try
        {
            allocator = device == Device.Cpu ? PackingAllocator.TryCreate(WeightBytes()) : null;
            return hasRows && runner != Runner.GenAI
                ? OrtDecoder.Load(folder, manifest, device, threads, allocator, cacheBytes)
                : GenAIDecoder.Load(folder, manifest, device, threads, allocator);
        }
        catch (Exception e)
        {
            allocator?.Dispose();
            if (e is OnnxRuntimeGenAIException or OnnxRuntimeException)
                throw new ModelLoadException($"{folder} could not be loaded on {device}: {e.Message.ReplaceLineEndings(" ")}", e);
            throw;
        }
    }

    private long WeightBytes()
    {
        FileInfo file = new(Path.Combine(folder, "model.onnx.data"));
        return file.Exists ? file.Length : 0;
    }
}
