using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;

namespace OnnxVlm.Export.Blocks;

/// <summary>Token embedding with image patches in the places of the placeholder token.</summary>
internal static class Embedding
{
    /// <summary>Rows of the embedding for <c>input_ids</c>, and the matrix itself for a tied head.</summary>
    /// <returns>[B, S, H], and the matrix [vocabulary, H] in one of its two forms.</returns>
    public static (Value Hidden, TokenMatrix Matrix) Embed(this ModelGraph model, string key, int vocabulary, int hidden)
    {
        GraphBuilder g = model.Graph;
        var matrix = TokenMatrix.Embedding(model, key, vocabulary, hidden);
        if (matrix.Quantized is not QuantizedMatrix quantized)
            return (g.Node("Gather", key, matrix.Float, model.InputIds).Set("axis", 0).Output(model.Type), matrix);
        Value embedded = g.Fused("GatherBlockQuantized", key, quantized.Codes.Value, model.InputIds, quantized.Scales.Value)
            .Set("bits", quantized.Bits).Set("block_size", quantized.BlockSize).Set("gather_axis", 0).Set("quantize_axis", 1).Output(model.Type);
        return (embedded, matrix);
    }

    /// <summary>
    /// Puts the projected patches of this run over the placeholder tokens, in order. Adds the inputs <c>patches</c> uint8 [capacity, 3·p·p],
    /// <c>patch_count</c> int64 [1] and, when there are learned positions, <c>patch_xy</c> int64 [capacity, 2]. A run without images skips all of it.
    /// </summary>
    /// <returns>[B, S, H].</returns>
    public static Value InsertPatches(this ModelGraph model, Value hidden, int placeholder, PatchProjection projection)
    {
        GraphBuilder g = model.Graph;
        Value patches = g.Input("patches", ElementType.UInt8, "patch_capacity", projection.PatchWidth);
        Value count = g.Input("patch_count", ElementType.Int64, 1);
        Value? places = projection.HasPositions ? g.Input("patch_xy", ElementType.Int64, "patch_capacity", 2) : null;
        (Value weight, Value bias) = projection.Fold(model);
        Value? rowTable = Table(projection.RowTable), columnTable = Table(projection.ColumnTable);

        // The condition comes from a shape, which every device keeps on the host: no synchronization for a token of text.
        Value used = g.Node("Slice", "patches.used", patches, g.Constant(0), count, g.Constant(0)).Output(ElementType.UInt8);
        Value usedRows = g.Node("Shape", "patches.used", used).Set("start", 0).Set("end", 1).Output(ElementType.Int64);
        Value hasImages = g.Node("Greater", "patches.used", usedRows, g.Constant(0)).Output(ElementType.Bool);
        return g.If("patches", hasImages, model.Type, Scatter, () => g.Node("Identity", "patches.none", hidden).Output(model.Type));

        Value? Table((string Key, int Rows)? table) =>
            table is var (key, rows) ? model.Vector(key, ElementType.Float32, rows, projection.Hidden) : null;

        Value Scatter()
        {
            Value pixels = g.Cast("patches.pixels", used, ElementType.Float32);
            Value product = model.Multiply("patches.projection", pixels, weight).Output(ElementType.Float32);
            Value projected = g.Node("Add", "patches.projection", product, bias).Output(ElementType.Float32);
            projected = AddTable(projected, "row", rowTable, axis: 1);
            projected = AddTable(projected, "column", columnTable, axis: 0);
            if (model.Type != ElementType.Float32)
                projected = g.Cast("patches.projection", projected, model.Type);

            Value isImage = g.Node("Equal", "patches.places", model.InputIds, g.Scalar(placeholder)).Output(ElementType.Bool);
            Value indices = g.Node("NonZero", "patches.places", isImage).Output(ElementType.Int64);
            Value indexRows = g.Node("Transpose", "patches.places", indices).Output(ElementType.Int64); // [patches, 2]
            return g.Node("ScatterND", "patches", hidden, indexRows, projected).Output(model.Type);
        }

        Value AddTable(Value projected, string name, Value? table, long axis)
        {
            if (table is null)
                return projected;
            string path = $"patches.{name}";
            Value usedPlaces = g.Node("Slice", path, places!.Value, g.Constant(0), count, g.Constant(0)).Output(ElementType.Int64);
            Value index = g.Node("Gather", $"{path}.index", usedPlaces, g.Scalar(axis)).Set("axis", 1).Output(ElementType.Int64);
            Value vectors = g.Node("Gather", path, table.Value, index).Set("axis", 0).Output(ElementType.Float32);
            return g.Node("Add", path, projected, vectors).Output(ElementType.Float32);
        }
    }
}
