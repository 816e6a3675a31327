using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>Runs an exported model.onnx with ONNX Runtime alone; the present values of a run are the past of the next.</summary>
internal sealed class GraphRunner : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _options = new();
    private readonly string[] _cacheNames;
    private readonly int _batch;
    private IReadOnlyList<OrtValue> _past;
    private long _length;

    public GraphRunner(string folder, int batch = 1)
    {
        _batch = batch;
        using SessionOptions options = new() { IntraOpNumThreads = 1 };
        _session = new InferenceSession(Path.Combine(folder, "model.onnx"), options);
        _cacheNames = [.. _session.InputNames.Where(name => name.StartsWith("past_key_values.", StringComparison.Ordinal))];
        _past = [.. _cacheNames.Select(EmptyPast)];
    }

    public InferenceSession Session => _session;

    /// <summary>The value of <c>position_offset</c> in the next run, for graphs that have it.</summary>
    public long PositionOffset { get; set; }

    /// <summary>Runs the next part of the sequences and returns the logits of their last tokens.</summary>
    /// <param name="ids">Tokens of this run, the same number for each sequence, one sequence after the other.</param>
    /// <param name="patches">The patches of the images in this run.</param>
    /// <param name="spareRows">Rows of <c>patches</c> beyond <c>patch_count</c>, filled with values that must not matter.</param>
    public float[] Run(IReadOnlyList<long> ids, IReadOnlyList<(byte[] Pixels, int Column, int Row)> patches, int spareRows = 2)
    {
        int width = (int)_session.InputMetadata["patches"].Dimensions[1];
        byte[] pixels = [.. patches.SelectMany(patch => patch.Pixels), .. Enumerable.Repeat((byte)137, spareRows * width)];
        long[] places = [.. patches.SelectMany(patch => new long[] { patch.Column, patch.Row }), .. Enumerable.Repeat(-1000L, spareRows * 2)];
        int length = ids.Count / _batch;
        _length += length;

        List<string> names = ["input_ids", "attention_mask", "patches", "patch_count"];
        List<OrtValue> values =
        [
            OrtValue.CreateTensorValueFromMemory(ids.ToArray(), [_batch, length]),
            OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(1L, _batch * (int)_length).ToArray(), [_batch, _length]),
            OrtValue.CreateTensorValueFromMemory(pixels, [patches.Count + spareRows, width]),
            OrtValue.CreateTensorValueFromMemory(new long[] { patches.Count }, [1]),
        ];
        if (_session.InputMetadata.ContainsKey("patch_xy"))
        {
            names.Add("patch_xy");
            values.Add(OrtValue.CreateTensorValueFromMemory(places, [patches.Count + spareRows, 2]));
        }

        if (_session.InputMetadata.ContainsKey("position_offset"))
        {
            names.Add("position_offset");
            values.Add(OrtValue.CreateTensorValueFromMemory(Enumerable.Repeat(PositionOffset, _batch).ToArray(), [_batch]));
        }

        if (_session.InputMetadata.ContainsKey("evicted"))
        {
            names.Add("evicted");
            values.Add(OrtValue.CreateTensorValueFromMemory(new long[_batch], [_batch]));
        }

        string[] outputs = ["logits", .. _cacheNames.Select(name => name.Replace("past_key_values", "present", StringComparison.Ordinal))];
        IDisposableReadOnlyCollection<OrtValue> results = _session.Run(_options, [.. names, .. _cacheNames], [.. values, .. _past], outputs);
        foreach (OrtValue value in values.Concat(_past))
            value.Dispose();
        _past = [.. results.Skip(1)];
        using OrtValue logits = results[0];
        Assert.That(logits.GetTensorTypeAndShape().Shape, Has.Length.EqualTo(3));
        Assert.That(logits.GetTensorTypeAndShape().Shape[1], Is.EqualTo(1));
        return logits.GetTensorDataAsSpan<float>().ToArray();
    }

    /// <summary>Names of the inputs that hold the state of a recurrent layer.</summary>
    public IEnumerable<string> StateNames => _cacheNames.Where(name => name.EndsWith("_state", StringComparison.Ordinal));

    /// <summary>The state at the beginning of the next run.</summary>
    public float[] State(string name) => _past[Array.IndexOf(_cacheNames, name)].GetTensorDataAsSpan<float>().ToArray();

    public void Dispose()
    {
        foreach (OrtValue value in _past)
            value.Dispose();
        _options.Dispose();
        _session.Dispose();
    }

    private OrtValue EmptyPast(string name)
    {
        NodeMetadata input = _session.InputMetadata[name];

        // The state of a recurrent layer has a fixed size, and is 0 before the first token.
        if (!name.EndsWith("_state", StringComparison.Ordinal))
            return OrtValue.CreateAllocatedTensorValue(
                OrtAllocator.DefaultInstance, input.ElementDataType, [_batch, input.Dimensions[1], 0, input.Dimensions[3]]);
        long[] shape = [_batch, .. input.Dimensions.Skip(1).Select(side => (long)side)];
        return OrtValue.CreateTensorValueFromMemory(new float[shape.Aggregate(1L, (product, side) => product * side)], shape);
    }
}
