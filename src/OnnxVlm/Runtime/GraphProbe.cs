using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OnnxVlm.Prompting;

namespace OnnxVlm.Runtime;

/// <summary>
/// Runs a graph over whole prompts on the CPU, each from an empty cache, and hands its outputs on: what is in the cache then, and what a
/// graph has beside. An export calibrates with it. Not thread-safe.
/// </summary>
public sealed class GraphProbe : IDisposable
{
    private const string Logits = "logits", Recurrent = "_state";

    private readonly InferenceSession _session;
    private readonly RunOptions _options = new();
    private readonly string[] _outputs;

    /// <summary>Loads a graph.</summary>
    /// <param name="path">The file, beside its weights.</param>
    /// <exception cref="ModelLoadException">The runtime refuses it.</exception>
    public GraphProbe(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        NativeRuntime.EnsurePresent();
        using SessionOptions options = new() { IntraOpNumThreads = Environment.ProcessorCount };
        try
        {
            _session = new InferenceSession(path, options);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ModelLoadException($"{path} could not be loaded on the CPU: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        _outputs = [.. _session.OutputNames.Where(name => name != Logits && !name.EndsWith(Recurrent, StringComparison.Ordinal))];
    }

    /// <summary>Runs a prompt.</summary>
    /// <param name="prompt">The prompt, read in one piece.</param>
    /// <param name="receive">Called with each output but the logits and the state of recurrent layers.</param>
    /// <exception cref="VlmException">The run failed.</exception>
    public void Run(Prompt prompt, GraphOutputReceiver receive)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(receive);
        List<OrtValue> inputs = [];
        try
        {
            foreach (string name in _session.InputNames)
                inputs.Add(Input(name, prompt));
            using IDisposableReadOnlyCollection<OrtValue> results = _session.Run(_options, _session.InputNames, inputs, _outputs);
            for (int i = 0; i < _outputs.Length; i++)
            {
                OrtTensorTypeAndShapeInfo info = results[i].GetTensorTypeAndShape();
                if (info.ElementDataType == TensorElementType.Float)
                    receive(_outputs[i], info.Shape, results[i].GetTensorDataAsSpan<float>());
                else if (info.ElementDataType == TensorElementType.Float16)
                    receive(_outputs[i], info.Shape, Array.ConvertAll(results[i].GetTensorDataAsSpan<Float16>().ToArray(), number => (float)number));
            }
        }
        catch (OnnxRuntimeException e)
        {
            throw new VlmException($"The runtime failed: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        finally
        {
            inputs.ForEach(value => value.Dispose());
        }
    }

    /// <summary>Frees the graph.</summary>
    public void Dispose()
    {
        _options.Dispose();
        _session.Dispose();
    }

    private OrtValue Input(string name, Prompt prompt)
    {
        NodeMetadata input = _session.InputMetadata[name];
        int tokens = prompt.TokenCount;
        ImagePart[] images = [.. prompt.Segments.Where(segment => segment.Image is not null).Select(segment => new ImagePart(segment.Image!, 0, segment.Image!.Count))];
        int patches = images.Sum(image => image.Count), capacity = Math.Max(1, patches);
        switch (name)
        {
            case "input_ids":
                return OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(prompt.ToTokenIds(), id => (long)id), [1, tokens]);
            case "attention_mask":
                return OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, tokens).ToArray(), [1, tokens]);
            case "patches":
                byte[] pixels = patches == 0 ? new byte[input.Dimensions[1]] : [.. images.SelectMany(image => image.Patches.ToArray())];
                return OrtValue.CreateTensorValueFromMemory(pixels, [capacity, input.Dimensions[1]]);
            case "patch_xy":
                long[] places = patches == 0 ? new long[2] : [.. images.SelectMany(Places)];
                return OrtValue.CreateTensorValueFromMemory(places, [capacity, 2]);
            case "patch_count":
                return OrtValue.CreateTensorValueFromMemory(new long[] { patches }, [1]);
            default:
                return Zeros(name, input);
        }
    }

    private static long[] Places(ImagePart image)
    {
        long[] places = new long[2 * image.Count];
        image.WritePlaces(places);
        return places;
    }

    // Nothing was read before: an empty cache, the state of recurrent layers that is 0, and counts that are 0.
    private static OrtValue Zeros(string name, NodeMetadata input)
    {
        bool isState = name.EndsWith(Recurrent, StringComparison.Ordinal);
        long[] shape = [.. input.Dimensions.Select((side, axis) => axis == 0 ? 1L : side > 0 ? side : isState ? 1 : 0)];
        OrtValue value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, input.ElementDataType, shape);
        if (shape.All(side => side > 0))
            value.GetTensorMutableRawData().Clear();
        return value;
    }
}
