using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// NEO's patch embedder. The square of a token is cut into smaller squares, which go through a convolution of their size, GELU and a rotation by column and
/// row. A second convolution turns them into one hidden state. All of it is float32: there are few of these numbers, and every layer depends on them.
/// </summary>
internal sealed record PatchMerger
{
    /// <summary>The first convolution: squares of <see cref="PatchProjection.PatchSize"/> px.</summary>
    public required PatchProjection Squares { get; init; }

    /// <summary>The checkpoint's key of the second convolution, with <c>.weight</c> [H, width of a square, merge, merge] and <c>.bias</c> [H].</summary>
    public required string Key { get; init; }

    /// <summary>Squares along a side of a token's patch.</summary>
    public required int Merge { get; init; }

    /// <summary>Base of the frequencies of the rotation.</summary>
    public required double Theta { get; init; }

    /// <summary>Width of the hidden states.</summary>
    public required int Hidden { get; init; }

    /// <summary>Side of a token's patch in pixels.</summary>
    public int PatchSize => Merge * Squares.PatchSize;

    /// <summary>Bytes of a token's patch.</summary>
    public int PatchWidth => 3 * PatchSize * PatchSize;

    /// <summary>Builds the hidden states of the patches of a run.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="images">Patches [channel, row, column], with their places.</param>
    /// <returns>[N, H], in the type of the activations.</returns>
    public Value Project(ModelGraph model, PatchInputs images)
    {
        const ElementType F = ElementType.Float32;
        GraphBuilder g = model.Graph;
        (Value weight, Value bias) = Squares.Fold(model);
        StackedMatrix rows = new(model.Weights.Take($"{Key}.weight", Hidden, Squares.Hidden, Merge, Merge));
        Value joinWeight = model.FloatMatrix($"{Key}.weight", rows, F), joinBias = model.Vector($"{Key}.bias", F, Hidden);

        int side = Squares.PatchSize;
        Value grid = g.Node("Reshape", "patches.grid", images.Pixels, g.Constant(0, 3, Merge, side, Merge, side)).Output(ElementType.UInt8);
        Value apart = g.Node("Transpose", "patches.squares", grid).Set("perm", 0, 2, 4, 1, 3, 5).Output(ElementType.UInt8);                // [N, m, m, 3, p, p]
        Value squares = g.Node("Reshape", "patches.squares", apart, g.Constant(-1, Squares.PatchWidth)).Output(ElementType.UInt8);         // [N·m², 3·p·p]
        Value product = model.Multiply("patches.projection", g.Cast("patches.pixels", squares, F), weight).Output(F);
        Value projected = g.Node("Add", "patches.projection", product, bias).Output(F);
        Value rotated = Rotate(model, images, g.Fused("Gelu", "patches.projection", projected).Output(F));

        // The convolution orders its weights by (number, row, column) of the squares.
        Value together = g.Node("Reshape", "patches.together", rotated, g.Constant(-1, Merge * Merge, Squares.Hidden)).Output(F);
        Value turned = g.Node("Transpose", "patches.together", together).Set("perm", 0, 2, 1).Output(F);
        Value flat = g.Node("Reshape", "patches.flat", turned, g.Constant(-1, Merge * Merge * Squares.Hidden)).Output(F);
        Value joined = g.Node("Add", "patches.joined", model.Multiply("patches.joined", flat, joinWeight).Output(F), joinBias).Output(F);
        return model.Type == F ? joined : g.Cast("patches.joined", joined, model.Type);
    }

    /// <summary>
    /// Rotates pairs of adjacent elements: those of the first half by the column of the square in the image, those of the second half by the row.
    /// </summary>
    private Value Rotate(ModelGraph model, PatchInputs images, Value squares)
    {
        const ElementType F = ElementType.Float32;
        GraphBuilder g = model.Graph;
        float[] frequencies = [.. RotaryTables.Frequencies(Theta, Squares.Hidden / 2).Select(f => (float)f)], none = new float[frequencies.Length];
        Value turns = g.Weight("patches.frequencies", [.. frequencies, .. none, .. none, .. frequencies], F, 2, 2 * frequencies.Length);

        long[] within = [.. Enumerable.Range(0, Merge * Merge).SelectMany(i => new long[] { i % Merge, i / Merge })];
        Value offsets = g.Node("Reshape", "patches.offsets", g.Constant(within), g.Constant(1, Merge * Merge, 2)).Output(ElementType.Int64);
        Value corners = g.Node("Mul", "patches.corners", images.Places("patches.corners"), g.Constant(Merge)).Output(ElementType.Int64);
        Value corner = g.Node("Unsqueeze", "patches.corners", corners, g.Constant(1)).Output(ElementType.Int64);            // [N, 1, 2]
        Value places = g.Node("Add", "patches.places", corner, offsets).Output(ElementType.Int64);
        Value list = g.Node("Reshape", "patches.square_places", places, g.Constant(-1, 2)).Output(ElementType.Int64);       // [N·m², 2] (column, row)
        Value angles = g.Node("MatMul", "patches.angles", g.Cast("patches.square_places", list, F), turns).Output(F);
        Value cos = g.Node("Cos", "patches.angles", angles).Output(F), sin = g.Node("Sin", "patches.angles", angles).Output(F);

        Value one = g.Node("Unsqueeze", "patches.rotated", squares, g.Constant(0)).Output(F);                               // [1, N·m², width]
        return g.Fused("RotaryEmbedding", "patches.rotated", one, g.Constant(0), cos, sin)
            .Set("num_heads", 1).Set("rotary_embedding_dim", Squares.Hidden).Set("interleaved", 1).Output(F);
    }
}
