using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// The images of a run: the inputs <c>patches</c> uint8 [capacity, width], <c>patch_count</c> int64 [1] and, for models that need the place of a
/// patch, <c>patch_xy</c> int64 [capacity, 2] (column, row). One patch belongs to each placeholder token, in the same order.
/// </summary>
internal sealed class PatchInputs
{
    private readonly ModelGraph _model;
    private readonly int _placeholder;
    private readonly Value _count;
    private readonly Value? _places;

    /// <summary>Adds the inputs.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="placeholder">The token that a patch replaces.</param>
    /// <param name="width">Bytes of a patch.</param>
    /// <param name="hasPositions">Whether there is <c>patch_xy</c>.</param>
    public PatchInputs(ModelGraph model, int placeholder, int width, bool hasPositions)
    {
        GraphBuilder g = model.Graph;
        _model = model;
        _placeholder = placeholder;
        Value patches = g.Input("patches", ElementType.UInt8, "patch_capacity", width);
        _count = g.Input("patch_count", ElementType.Int64, 1);
        _places = hasPositions ? g.Input("patch_xy", ElementType.Int64, "patch_capacity", 2) : null;

        // The condition comes from a shape, which every device keeps on the host, so that a token of text needs no synchronization.
        Pixels = g.Node("Slice", "patches.used", patches, g.Constant(0), _count, g.Constant(0)).Output(ElementType.UInt8);
        Value usedRows = g.Node("Shape", "patches.used", Pixels).Set("start", 0).Set("end", 1).Output(ElementType.Int64);
        HaveImages = g.Node("Greater", "patches.used", usedRows, g.Constant(0)).Output(ElementType.Bool);
    }

    /// <summary>uint8 [N, width]: the patches in use.</summary>
    public Value Pixels { get; }

    /// <summary>bool [1], on the host: whether there are any.</summary>
    public Value HaveImages { get; }

    /// <summary>int64 [N, 2]: column and row of the patches in use.</summary>
    /// <param name="path">Name of the node.</param>
    public Value Places(string path) =>
        _model.Graph.Node("Slice", path, _places!.Value, _model.Graph.Constant(0), _count, _model.Graph.Constant(0)).Output(ElementType.Int64);

    /// <summary>bool [B, S]: which tokens stand for a patch.</summary>
    /// <param name="path">Name of the node.</param>
    public Value ImageTokens(string path) =>
        _model.Graph.Node("Equal", path, _model.InputIds, _model.Graph.Scalar(_placeholder)).Output(ElementType.Bool);

    /// <summary>Writes the projected patches over the rows of their tokens; a run without images skips all of it.</summary>
    /// <param name="hidden">[B, S, H].</param>
    /// <param name="project">Builds [N, H] from <see cref="Pixels"/>, in the type of the activations.</param>
    /// <returns>[B, S, H].</returns>
    public Value Insert(Value hidden, Func<Value> project)
    {
        GraphBuilder g = _model.Graph;
        return g.If("patches", HaveImages, _model.Type, Scatter, () => g.Node("Identity", "patches.none", hidden).Output(_model.Type));

        Value Scatter()
        {
            Value projected = project();
            Value indices = g.Node("NonZero", "patches.places", ImageTokens("patches.places")).Output(ElementType.Int64);
            Value indexRows = g.Node("Transpose", "patches.places", indices).Output(ElementType.Int64); // [N, 2]
            return g.Node("ScatterND", "patches", hidden, indexRows, projected).Output(_model.Type);
        }
    }
}
