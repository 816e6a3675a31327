using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// The rotation of <see cref="MultiAxisHead"/>s in a run. A token's temporal position is its index in the sequence, except that all tokens of an
/// image have that of the first. Row and column are those of its patch, and 0 for text. Adds the input <c>position_offset</c> int64 [B]: for each
/// sequence, how many tokens of its past continued an image; the index is ahead of the temporal position by as many.
/// </summary>
internal sealed class MultiAxisRope
{
    private readonly ModelGraph _model;
    private readonly PatchInputs _images;
    private readonly MultiAxisHead _head;
    private readonly Value _cos;
    private readonly Value _sin;
    private readonly Value _rows;

    /// <summary>Computes cos and sin of the angles, float [B · S, head size / 2], in float32 as in the reference. A token needs only few of them.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="images">The images of the run; images are whole within it, and the batch is 1 where there are any.</param>
    /// <param name="lengths">Lengths of the sequences, with the past.</param>
    /// <param name="head">The parts of a head.</param>
    /// <param name="timeTheta">Base of the temporal frequencies.</param>
    /// <param name="sideTheta">Base of the frequencies of row and column.</param>
    public MultiAxisRope(ModelGraph model, PatchInputs images, SequenceLengths lengths, MultiAxisHead head, double timeTheta, double sideTheta)
    {
        GraphBuilder g = model.Graph;
        _model = model;
        _images = images;
        _head = head;
        float[] time = [.. RotaryTables.Frequencies(timeTheta, head.Time).Select(f => (float)f)];
        float[] side = [.. RotaryTables.Frequencies(sideTheta, head.Side).Select(f => (float)f)];
        float[] none = new float[time.Length], noSide = new float[side.Length];
        int pairs = head.Size / 2;
        Value timeFrequencies = g.Weight("rotary.time_frequencies", [.. time, .. noSide, .. noSide], ElementType.Float32, pairs);

        // The rows are the columns of patch_xy: x rotates the last part, y the one before.
        Value placeFrequencies = g.Weight(
            "rotary.place_frequencies", [.. none, .. noSide, .. side, .. none, .. side, .. noSide], ElementType.Float32, 2, pairs);

        Value imageTokens = images.ImageTokens("rotary.tokens");                                                                    // [B, S]
        Value times = g.Cast("rotary.time", Times(imageTokens, lengths), ElementType.Float32);
        Value column = g.Node("Reshape", "rotary.time", times, g.Constant(-1, 1)).Output(ElementType.Float32);                      // [B · S, 1]
        Value tokens = g.Node("Reshape", "rotary.tokens", imageTokens, g.Constant(-1)).Output(ElementType.Bool);                    // [B · S]
        _rows = RowsOfTables(imageTokens, tokens);
        Value text = g.Node("Mul", "rotary.text", column, timeFrequencies).Output(ElementType.Float32);
        Value angles = g.If(
            "rotary", images.HaveImages, ElementType.Float32,
            () => AddPlaces(text, tokens, placeFrequencies), () => g.Node("Identity", "rotary.none", text).Output(ElementType.Float32));
        _cos = Finish("Cos", angles);
        _sin = Finish("Sin", angles);
    }

    /// <summary>Rotates heads.</summary>
    /// <param name="path">Name of the node.</param>
    /// <param name="x">[B, S, heads · head size], in the graph's order.</param>
    /// <param name="heads">How many.</param>
    /// <returns>As x.</returns>
    public Value Rotate(string path, Value x, int heads) => _model.Graph.Fused("RotaryEmbedding", path, x, _rows, _cos, _sin)
        .Set("num_heads", heads).Set("rotary_embedding_dim", _head.Size).Set("interleaved", 1).Output(_model.Type);

    /// <summary>int64 [B, S]: the row of cos and sin for each token. The rows are in the order of the tokens.</summary>
    private Value RowsOfTables(Value imageTokens, Value tokens)
    {
        GraphBuilder g = _model.Graph;
        Value count = g.Node("Squeeze", "rotary.rows", g.Node("Shape", "rotary.rows", tokens).Output(ElementType.Int64)).Output(ElementType.Int64);
        Value rows = g.Node("Range", "rotary.rows", g.Scalar(0), count, g.Scalar(1)).Output(ElementType.Int64);
        return g.Node("Reshape", "rotary.rows", rows, g.Node("Shape", "rotary.shape", imageTokens).Output(ElementType.Int64)).Output(ElementType.Int64);
    }

    /// <summary>
    /// int64 [B, S]: start − position_offset − 1 + how many tokens of the run, up to and with each one, are text or the first of an image.
    /// </summary>
    private Value Times(Value tokens, SequenceLengths lengths)
    {
        GraphBuilder g = _model.Graph;
        Value offsets = g.Input("position_offset", ElementType.Int64, "batch");
        Value isImage = g.Cast("rotary.tokens", tokens, ElementType.Int64);
        Value before = g.Node("Pad", "rotary.before", isImage, g.Constant(0, 1, 0, -1)).Output(ElementType.Int64);
        Value goesOn = g.Node("Mul", "rotary.goes_on", isImage, before).Output(ElementType.Int64);
        Value begins = g.Node("Sub", "rotary.begins", g.Constant(1), goesOn).Output(ElementType.Int64);
        Value count = g.Node("CumSum", "rotary.begun", begins, g.Scalar(1)).Output(ElementType.Int64);
        Value offset = g.Node("Unsqueeze", "rotary.offset", offsets, g.Constant(1)).Output(ElementType.Int64);      // [B, 1]
        Value past = g.Node("Sub", "rotary.past", lengths.Starts, offset).Output(ElementType.Int64);
        Value last = g.Node("Sub", "rotary.last", past, g.Constant(1)).Output(ElementType.Int64);
        return g.Node("Add", "rotary.time", count, last).Output(ElementType.Int64);
    }

    private Value AddPlaces(Value text, Value tokens, Value frequencies)
    {
        GraphBuilder g = _model.Graph;
        Value places = g.Cast("rotary.places", _images.Places("rotary.places"), ElementType.Float32);                               // [N, 2]
        Value indices = g.Node("NonZero", "rotary.indices", tokens).Output(ElementType.Int64);
        Value indexRows = g.Node("Transpose", "rotary.indices", indices).Output(ElementType.Int64);                                 // [N, 1]
        Value length = g.Node("Shape", "rotary.origin", tokens).Output(ElementType.Int64);
        Value shape = g.Node("Concat", "rotary.origin", length, g.Constant(2)).Set("axis", 0).Output(ElementType.Int64);
        Value origin = g.Node("Expand", "rotary.origin", g.Scalar(0, ElementType.Float32), shape).Output(ElementType.Float32);      // [S, 2]
        Value placed = g.Node("ScatterND", "rotary.placed", origin, indexRows, places).Output(ElementType.Float32);
        Value turned = g.Node("MatMul", "rotary.placed", placed, frequencies).Output(ElementType.Float32);
        return g.Node("Add", "rotary.placed", text, turned).Output(ElementType.Float32);
    }

    private Value Finish(string op, Value angles)
    {
        Value result = _model.Graph.Node(op, "rotary", angles).Output(ElementType.Float32);
        return _model.Type == ElementType.Float32 ? result : _model.Graph.Cast($"rotary.{op}", result, _model.Type);
    }
}
