using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// Multi-axis RoPE whose axes take turns over the frequencies (Qwen3-VL's interleaved M-RoPE), on the first elements of each head by halves. A token of text
/// has one position on all axes. An image that begins at position p has tokens at (p, p + row, p + column), and what follows it is at p + its longer side.
/// Adds the input <c>position_offset</c> int64 [B]: for each sequence, how far the index of a token of its past is ahead of its position.
/// </summary>
internal sealed class InterleavedRope
{
    private readonly ModelGraph _model;
    private readonly PatchInputs _images;
    private readonly int _rotated;
    private readonly Value _cos;
    private readonly Value _sin;
    private readonly Value _rows;

    /// <summary>Computes cos and sin of the angles, float [B · S, rotated / 2]; in 32 bits, as the reference does.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="images">The images of the run; they are whole within it, and the batch is 1 where there are any.</param>
    /// <param name="rotated">How many elements of a head are rotated, even.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="sections">How many frequencies use the temporal position, the row and the column.</param>
    public InterleavedRope(ModelGraph model, PatchInputs images, int rotated, double theta, int[] sections)
    {
        GraphBuilder g = model.Graph;
        (_model, _images, _rotated) = (model, images, rotated);
        int pairs = rotated / 2;
        float[] frequencies = [.. RotaryTables.Frequencies(theta, rotated).Select(f => (float)f)];
        float[] row = [.. frequencies.Select((f, k) => k % 3 == 1 && k < 3 * sections[1] ? f : 0)];
        float[] column = [.. frequencies.Select((f, k) => k % 3 == 2 && k < 3 * sections[2] ? f : 0)];
        Value textFrequencies = g.Weight("rope.text_frequencies", frequencies, ElementType.Float32, pairs);

        // The rows are the columns of patch_xy: x, then y.
        Value placeFrequencies = g.Weight("rope.place_frequencies", [.. column, .. row], ElementType.Float32, 2, pairs);

        Value index = Index();                                                                                                      // [B, S]
        Value shape = g.Node("Shape", "rope.shape", model.InputIds).Output(ElementType.Int64);
        Value count = g.Node("ReduceProd", "rope.count", shape).Set("keepdims", 0).Output(ElementType.Int64);
        Value range = g.Node("Range", "rope.rows", g.Scalar(0), count, g.Scalar(1)).Output(ElementType.Int64);
        _rows = g.Node("Reshape", "rope.rows", range, shape).Output(ElementType.Int64);                                             // [B, S]
        Value angles = g.If(
            "rope", images.HaveImages, ElementType.Float32,
            () => AnglesWithImages(index, textFrequencies, placeFrequencies), () => Angles("rope.text", index, textFrequencies));
        _cos = Finish("Cos", angles);
        _sin = Finish("Sin", angles);
    }

    /// <summary>Rotates heads.</summary>
    /// <param name="path">Name of the node.</param>
    /// <param name="x">[B, S, heads · head size].</param>
    /// <param name="heads">How many.</param>
    /// <returns>As x.</returns>
    public Value Rotate(string path, Value x, int heads) => _model.Graph.Fused("RotaryEmbedding", path, x, _rows, _cos, _sin)
        .Set("num_heads", heads).Set("rotary_embedding_dim", _rotated).Set("interleaved", 0).Output(_model.Type);

    /// <summary>int64 [B, S]: index in the sequence minus the offset, which is the position where the run is text.</summary>
    private Value Index()
    {
        GraphBuilder g = _model.Graph;
        Value offsets = g.Input("position_offset", ElementType.Int64, "batch");
        Value lengths = g.Node("ReduceSum", "rope.lengths", _model.AttentionMask, g.Constant(1)).Set("keepdims", 1).Output(ElementType.Int64);   // [B, 1]
        Value now = g.Node("Shape", "rope.now", _model.InputIds).Set("start", 1).Set("end", 2).Output(ElementType.Int64);
        Value starts = g.Node("Sub", "rope.starts", lengths, now).Output(ElementType.Int64);
        Value offset = g.Node("Unsqueeze", "rope.offset", offsets, g.Constant(1)).Output(ElementType.Int64);
        Value first = g.Node("Sub", "rope.first", starts, offset).Output(ElementType.Int64);
        Value count = g.Node("Squeeze", "rope.now", now).Output(ElementType.Int64);
        Value steps = g.Node("Range", "rope.steps", g.Scalar(0), count, g.Scalar(1)).Output(ElementType.Int64);
        return g.Node("Add", "rope.index", first, steps).Output(ElementType.Int64);
    }

    /// <summary>float [tokens, pairs].</summary>
    private Value Angles(string path, Value positions, Value frequencies)
    {
        GraphBuilder g = _model.Graph;
        Value column = g.Node("Reshape", path, g.Cast(path, positions, ElementType.Float32), g.Constant(-1, 1)).Output(ElementType.Float32);
        return g.Node("Mul", path, column, frequencies).Output(ElementType.Float32);
    }

    /// <summary>
    /// The same for a run with images. Relative to the start of its image, a token has temporal position 0. The last token of an image advances what
    /// follows by the longer side, which is one more than the larger of the token's own row and column.
    /// </summary>
    private Value AnglesWithImages(Value index, Value textFrequencies, Value placeFrequencies)
    {
        GraphBuilder g = _model.Graph;
        Value tokens = g.Node("Reshape", "rope.tokens", _images.ImageTokens("rope.tokens"), g.Constant(-1)).Output(ElementType.Bool);                 // [S]
        Value places = Scatter(tokens, _images.Places("rope.places"));                          // [S, 2], 0 for text
        Value larger = g.Node("ReduceMax", "rope.larger", places, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Int64);                        // [S]
        Value side = g.Node("Add", "rope.side", larger, g.Constant(1)).Output(ElementType.Int64);
        Value step = g.Node("Where", "rope.step", IsLast(tokens, larger), side, g.Constant(0)).Output(ElementType.Int64);
        Value steps = g.Node("Where", "rope.steps_of_images", tokens, step, g.Constant(1)).Output(ElementType.Int64);                                // [S]
        Value before = g.Node("CumSum", "rope.before", steps, g.Scalar(0)).Set("exclusive", 1).Output(ElementType.Int64);
        Value first = g.Node("Slice", "rope.run_start", g.Node("Reshape", "rope.run_index", index, g.Constant(-1)).Output(ElementType.Int64), g.Constant(0),
            g.Constant(1), g.Constant(0)).Output(ElementType.Int64);
        Value text = Angles("rope.positions", g.Node("Add", "rope.positions", before, first).Output(ElementType.Int64), textFrequencies);
        Value turned = g.Node("MatMul", "rope.turned", g.Cast("rope.turned", places, ElementType.Float32), placeFrequencies).Output(ElementType.Float32);
        return g.Node("Add", "rope.angles", text, turned).Output(ElementType.Float32);
    }

    /// <summary>
    /// bool [S]: whether a token is the last of an image. It is followed by text, or by the first token of the next image, whose row and column are 0.
    /// </summary>
    private Value IsLast(Value tokens, Value larger)
    {
        GraphBuilder g = _model.Graph;
        Value isImage = g.Cast("rope.is_image", tokens, ElementType.Int64);
        Value nextIsImage = g.Node("Pad", "rope.next", isImage, g.Constant(-1, 1)).Output(ElementType.Int64);
        Value nextPlace = g.Node("Pad", "rope.next_place", larger, g.Constant(-1, 1)).Output(ElementType.Int64);
        Value goesOn = g.Node("Mul", "rope.goes_on", nextIsImage, nextPlace).Output(ElementType.Int64);
        return g.Node("Equal", "rope.is_last", goesOn, g.Constant(0)).Output(ElementType.Bool);
    }

    private Value Scatter(Value tokens, Value places)
    {
        GraphBuilder g = _model.Graph;
        Value indices = g.Node("NonZero", "rope.indices", tokens).Output(ElementType.Int64);
        Value rows = g.Node("Transpose", "rope.indices", indices).Output(ElementType.Int64);    // [N, 1]
        Value shape = g.Node("Concat", "rope.origin", g.Node("Shape", "rope.origin", tokens).Output(ElementType.Int64), g.Constant(2))
            .Set("axis", 0).Output(ElementType.Int64);
        Value origin = g.Node("Expand", "rope.origin", g.Constant(0), shape).Output(ElementType.Int64);
        return g.Node("ScatterND", "rope.scattered", origin, rows, places).Output(ElementType.Int64);
    }

    private Value Finish(string op, Value angles)
    {
        Value result = _model.Graph.Node(op, "rope", angles).Output(ElementType.Float32);
        return _model.Type == ElementType.Float32 ? result : _model.Graph.Cast($"rope.{op}", result, _model.Type);
    }
}
