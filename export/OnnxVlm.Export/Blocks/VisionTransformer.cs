using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// A vision transformer with a merger, as in Qwen3-VL and Qwen3.5, without Qwen3-VL's layers that feed into the decoder. The square of a token is cut
/// into merge² patches. They go through a linear layer, get a learned position by bilinear interpolation, and pass blocks of full attention with
/// two-dimensional RoPE. The merger makes one hidden state from the patches of a token. Images are computed one at a time: one attention over all of
/// them with a mask takes several times the time and the memory. The matrices have at least 8 bits, the residual stream 32.
/// </summary>
internal sealed record VisionTransformer
{
    private const ElementType F = ElementType.Float32;

    /// <summary>The ε of the LayerNorms, which the reference has as a constant.</summary>
    private const float Epsilon = 1e-6f;

    private const int LeastBits = 8;

    private const double Theta = 10000;

    /// <summary>The checkpoint's key of the tower with the dot, <c>model.visual.</c>.</summary>
    public required string Key { get; init; }

    /// <summary>From pixels to patches.</summary>
    public required PatchProjection Patches { get; init; }

    /// <summary>Blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>Attention heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of the blocks' MLP.</summary>
    public required int Intermediate { get; init; }

    /// <summary>Rows and columns of the table of positions.</summary>
    public required int Places { get; init; }

    /// <summary>Patches along a side of a token's square.</summary>
    public required int Merge { get; init; }

    /// <summary>Width of the decoder's hidden states.</summary>
    public required int Hidden { get; init; }

    /// <summary>Side of a token's square in pixels.</summary>
    public int SquareSize => Merge * Patches.PatchSize;

    private int Width => Patches.Hidden;

    private int HeadSize => Width / Heads;

    /// <summary>Builds the hidden states of all images of a run.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="images">Squares [channel, row, column], with their places in their images.</param>
    /// <returns>[N, H], in the type of the activations.</returns>
    public Value Project(ModelGraph model, PatchInputs images)
    {
        GraphBuilder g = model.Graph;
        Value places = images.Places("vision.places");                                                                              // [N, 2]

        // An image begins where column and row are 0.
        Value sum = g.Node("ReduceSum", "vision.begins", places, g.Constant(1)).Set("keepdims", 0).Output(ElementType.Int64);
        Value begins = g.Node("Equal", "vision.begins", sum, g.Constant(0)).Output(ElementType.Bool);
        Value starts = g.Node("Reshape", "vision.starts", g.Node("NonZero", "vision.starts", begins).Output(ElementType.Int64), g.Constant(-1))
            .Output(ElementType.Int64);
        Value count = g.Node("Shape", "vision.count", starts).Output(ElementType.Int64);
        Value used = g.Node("Shape", "vision.used", places).Set("start", 0).Set("end", 1).Output(ElementType.Int64);
        Value bounds = g.Node("Concat", "vision.bounds", starts, used).Set("axis", 0).Output(ElementType.Int64);
        Value nothing = g.Node("Expand", "vision.nothing", g.Scalar(0, model.Type), g.Constant(0, Hidden)).Output(model.Type);
        return g.Loop("vision.images", g.Node("Squeeze", "vision.count", count).Output(ElementType.Int64), nothing, Image);

        Value Image(Value number, Value before)
        {
            Value first = g.Node("Reshape", "vision.first", number, g.Constant(1)).Output(ElementType.Int64);
            Value next = g.Node("Add", "vision.next", first, g.Constant(1)).Output(ElementType.Int64);
            Value start = g.Node("Gather", "vision.start", bounds, first).Set("axis", 0).Output(ElementType.Int64);
            Value end = g.Node("Gather", "vision.end", bounds, next).Set("axis", 0).Output(ElementType.Int64);
            Value squares = g.Node("Slice", "vision.squares", images.Pixels, start, end, g.Constant(0)).Output(ElementType.UInt8);
            Value corners = g.Node("Slice", "vision.corners", places, start, end, g.Constant(0)).Output(ElementType.Int64);
            Value rows = ProjectImage(model, squares, corners);
            return g.Node("Concat", "vision.images", before, rows).Set("axis", 0).Output(model.Type);
        }
    }

    /// <summary>One image: uint8 [n, 3·p·p] and int64 [n, 2] → [n, H].</summary>
    private Value ProjectImage(ModelGraph model, Value squares, Value corners)
    {
        GraphBuilder g = model.Graph;
        (Value column, Value row) = PatchPlaces(g, corners);                                                                        // [n·m², 1] each
        Value x = g.Node("Add", "vision.placed", Embed(model, squares), Positions(model, column, row)).Output(F);
        (Value cos, Value sin) = Angles(model, column, row);
        Value stream = g.Node("Unsqueeze", "vision.stream", x, g.Constant(0)).Output(F);                                            // [1, n·m², E]
        for (int i = 0; i < Depth; i++)
        {
            string key = $"{Key}blocks.{i}";
            stream = Add(model, $"{key}.attn", stream, Attend(model, key, LayerNorm(model, $"{key}.norm1", stream), cos, sin));
            Value inner = Linear(model, $"{key}.mlp.linear_fc1", LayerNorm(model, $"{key}.norm2", stream), Width, Intermediate);
            Value activated = g.Node("Gelu", $"{key}.mlp", inner).Set("approximate", "tanh").Output(model.Type);
            stream = Add(model, $"{key}.mlp", stream, Linear(model, $"{key}.mlp.linear_fc2", activated, Intermediate, Width));
        }

        int merged = Merge * Merge * Width;
        Value together = g.Node("Reshape", "vision.merged", LayerNorm(model, $"{Key}merger.norm", stream), g.Constant(-1, merged)).Output(model.Type);
        Value first = Linear(model, $"{Key}merger.linear_fc1", together, merged, merged);
        return Linear(model, $"{Key}merger.linear_fc2", g.Node("Gelu", "vision.merger", first).Output(model.Type), merged, Hidden);
    }

    /// <summary>float [n·m², E]: the patches of a square follow each other row by row.</summary>
    private Value Embed(ModelGraph model, Value squares)
    {
        GraphBuilder g = model.Graph;
        int side = Patches.PatchSize;
        (Value weight, Value bias) = Patches.Fold(model);
        Value grid = g.Node("Reshape", "vision.grid", squares, g.Constant(-1, 3, Merge, side, Merge, side)).Output(ElementType.UInt8);
        Value apart = g.Node("Transpose", "vision.patches", grid).Set("perm", 0, 2, 4, 1, 3, 5).Output(ElementType.UInt8);          // [n, m, m, 3, p, p]
        Value patches = g.Node("Reshape", "vision.patches", apart, g.Constant(-1, Patches.PatchWidth)).Output(ElementType.UInt8);
        Value product = model.Multiply("vision.embedding", g.Cast("vision.pixels", patches, F), weight).Output(F);
        return g.Node("Add", "vision.embedding", product, bias).Output(F);
    }

    /// <summary>int64 [n·m², 1] each: column and row of the patches in their image.</summary>
    private (Value Column, Value Row) PatchPlaces(GraphBuilder g, Value corners)
    {
        long[] within = [.. Enumerable.Range(0, Merge * Merge).SelectMany(i => new long[] { i % Merge, i / Merge })];
        Value offsets = g.Node("Reshape", "vision.offsets", g.Constant(within), g.Constant(1, Merge * Merge, 2)).Output(ElementType.Int64);
        Value scaled = g.Node("Mul", "vision.corners", corners, g.Constant(Merge)).Output(ElementType.Int64);
        Value corner = g.Node("Unsqueeze", "vision.corners", scaled, g.Constant(1)).Output(ElementType.Int64);                       // [n, 1, 2]
        Value list = g.Node("Reshape", "vision.patch_places", g.Node("Add", "vision.patch_places", corner, offsets).Output(ElementType.Int64),
            g.Constant(-1, 2)).Output(ElementType.Int64);
        NodeBuilder split = g.Node("Split", "vision.patch_places", list).Set("axis", 1).Set("num_outputs", 2);
        return (split.Output(ElementType.Int64), split.Output(ElementType.Int64));
    }

    /// <summary>
    /// float [n·m², E]: the table's vectors at the patches' places, by bilinear interpolation. The corner patches lie on the table's corners.
    /// </summary>
    private Value Positions(ModelGraph model, Value column, Value row)
    {
        GraphBuilder g = model.Graph;
        Value table = model.Vector($"{Key}pos_embed.weight", F, Places * Places, Width);
        (Value left, Value right, Value across) = Neighbours("column", column);
        (Value upper, Value lower, Value down) = Neighbours("row", row);
        Value top = Between("top", At("top_left", upper, left), At("top_right", upper, right), across);
        Value bottom = Between("bottom", At("bottom_left", lower, left), At("bottom_right", lower, right), across);
        return Between("position", top, bottom, down);

        // place · (places − 1) / (the last place): its integer part, the next integer, and the remainder. Integers, so that no rounding moves a place.
        (Value Before, Value After, Value Part) Neighbours(string name, Value place)
        {
            string path = $"vision.{name}";
            Value last = g.Node("Max", $"{path}.last", g.Node("ReduceMax", $"{path}.last", place, g.Constant(0)).Set("keepdims", 1).Output(ElementType.Int64),
                g.Constant(1)).Output(ElementType.Int64);
            Value scaled = g.Node("Mul", $"{path}.scaled", place, g.Constant(Places - 1)).Output(ElementType.Int64);
            Value before = g.Node("Div", $"{path}.before", scaled, last).Output(ElementType.Int64);
            Value whole = g.Node("Mul", $"{path}.whole", before, last).Output(ElementType.Int64);
            Value rest = g.Node("Sub", $"{path}.rest", scaled, whole).Output(ElementType.Int64);
            Value after = g.Node("Min", $"{path}.after", g.Node("Add", $"{path}.after", before, g.Constant(1)).Output(ElementType.Int64),
                g.Constant(Places - 1)).Output(ElementType.Int64);
            return (before, after, g.Node("Div", $"{path}.part", g.Cast($"{path}.rest", rest, F), g.Cast($"{path}.last", last, F)).Output(F));
        }

        Value At(string name, Value r, Value c)
        {
            string path = $"vision.{name}";
            Value line = g.Node("Mul", path, r, g.Constant(Places)).Output(ElementType.Int64);
            Value index = g.Node("Reshape", path, g.Node("Add", path, line, c).Output(ElementType.Int64), g.Constant(-1)).Output(ElementType.Int64);
            return g.Node("Gather", path, table, index).Set("axis", 0).Output(F);
        }

        Value Between(string name, Value a, Value b, Value part)
        {
            string path = $"vision.{name}";
            Value difference = g.Node("Sub", path, b, a).Output(F);
            return g.Node("Add", path, a, g.Node("Mul", path, difference, part).Output(F)).Output(F);
        }
    }

    /// <summary>[n·m², head size / 2] each: the first half of the angles by the row, the second by the column.</summary>
    private (Value Cos, Value Sin) Angles(ModelGraph model, Value column, Value row)
    {
        GraphBuilder g = model.Graph;
        float[] frequencies = [.. RotaryTables.Frequencies(Theta, HeadSize / 2).Select(f => (float)f)];
        Value weights = g.Weight("vision.frequencies", frequencies, F, frequencies.Length);
        Value angles = g.Node("Concat", "vision.angles", Turn("row", row), Turn("column", column)).Set("axis", 1).Output(F);
        return (Finish("Cos"), Finish("Sin"));

        Value Turn(string name, Value place) => g.Node("Mul", $"vision.{name}.angles", g.Cast($"vision.{name}.angles", place, F), weights).Output(F);

        Value Finish(string op)
        {
            Value result = g.Node(op, "vision.angles", angles).Output(F);
            return model.Type == F ? result : g.Cast($"vision.angles.{op}", result, model.Type);
        }
    }

    private Value Attend(ModelGraph model, string key, Value x, Value cos, Value sin)
    {
        GraphBuilder g = model.Graph;
        NodeBuilder split = g.Node("Split", $"{key}.attn", Linear(model, $"{key}.attn.qkv", x, Width, 3 * Width)).Set("axis", -1).Set("num_outputs", 3);
        Value q = Rotate("q", split.Output(model.Type)), k = Rotate("k", split.Output(model.Type)), v = split.Output(model.Type);
        Value attended = g.Fused("MultiHeadAttention", $"{key}.attn", q, k, v)
            .Set("num_heads", Heads).Set("scale", (float)(1 / Math.Sqrt(HeadSize))).Output(model.Type);
        return Linear(model, $"{key}.attn.proj", attended, Width, Width);

        Value Rotate(string name, Value heads) => g.Fused("RotaryEmbedding", $"{key}.attn.{name}", heads, g.Constant(0), cos, sin)
            .Set("num_heads", Heads).Set("rotary_embedding_dim", HeadSize).Set("interleaved", 0).Output(model.Type);
    }

    private static Value Linear(ModelGraph model, string key, Value x, int inputs, int outputs) =>
        model.Linear(key, x, new StackedMatrix(model.Weights.Take($"{key}.weight", outputs, inputs)),
            model.Vector($"{key}.bias", model.Type, outputs), LeastBits);

    private static Value Add(ModelGraph model, string path, Value stream, Value branch) =>
        model.Graph.Node("Add", $"{path}.residual", stream, model.Type == F ? branch : model.Graph.Cast($"{path}.residual", branch, F)).Output(F);

    private Value LayerNorm(ModelGraph model, string key, Value x)
    {
        Value weight = model.Vector($"{key}.weight", F, Width), bias = model.Vector($"{key}.bias", F, Width);
        Value y = model.Graph.Node("LayerNormalization", key, x, weight, bias).Set("axis", -1).Set("epsilon", Epsilon).Output(F);
        return model.Type == F ? y : model.Graph.Cast(key, y, model.Type);
    }
}
