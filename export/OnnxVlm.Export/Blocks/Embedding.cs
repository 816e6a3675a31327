using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;

namespace OnnxVlm.Export.Blocks;

/// <summary>Token embedding with image patches in the places of the placeholder token.</summary>
internal static class Embedding
{
    /// <summary>Rows of the embedding for <c>input_ids</c>, and the matrix itself for a tied head.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="key">The checkpoint's key of the embedding.</param>
    /// <param name="vocabulary">Rows.</param>
    /// <param name="hidden">Width.</param>
    /// <param name="isTied">Whether the head is the embedding. If the checkpoint has a head nevertheless, it must be a copy.</param>
    /// <returns>[B, S, H], and the matrix [vocabulary, H], float or quantized.</returns>
    public static (Value Hidden, EmbeddingMatrix Matrix) Embed(this ModelGraph model, string key, int vocabulary, int hidden, bool isTied)
    {
        GraphBuilder g = model.Graph;
        var matrix = EmbeddingMatrix.Embedding(model, key, vocabulary, hidden, isTied);
        if (matrix.Quantized is not QuantizedMatrix quantized)
            return (g.Node("Gather", key, matrix.Float, model.InputIds).Set("axis", 0).Output(model.Type), matrix);
        Value embedded = g.Fused("GatherBlockQuantized", key, quantized.Codes.Value, model.InputIds, quantized.Scales.Value)
            .Set("bits", quantized.Bits).Set("block_size", quantized.BlockSize).Set("gather_axis", 0).Set("quantize_axis", 1).Output(model.Type);
        return (embedded, matrix);
    }

    /// <summary>
    /// Writes the projected patches of this run over the placeholder tokens: one linear layer, plus learned row and column vectors where the model has them.
    /// </summary>
    /// <returns>[B, S, H].</returns>
    public static Value InsertPatches(this ModelGraph model, Value hidden, int placeholder, PatchProjection projection)
    {
        GraphBuilder g = model.Graph;
        (Value weight, Value bias) = projection.Fold(model);
        Value? rowTable = Table(projection.RowTable), columnTable = Table(projection.ColumnTable);
        PatchInputs images = new(model, placeholder, projection.PatchWidth, projection.HasPositions);
        return images.Insert(hidden, Project);

        Value? Table((string Key, int Rows)? table) =>
            table is var (key, rows) ? model.Vector(key, ElementType.Float32, rows, projection.Hidden) : null;

        Value Project()
        {
            Value pixels = g.Cast("patches.pixels", images.Pixels, ElementType.Float32);
            Value product = model.Multiply("patches.projection", pixels, weight).Output(ElementType.Float32);
            Value projected = g.Node("Add", "patches.projection", product, bias).Output(ElementType.Float32);
            projected = AddTable(projected, "row", rowTable, axis: 1);
            projected = AddTable(projected, "column", columnTable, axis: 0);
            return model.Type == ElementType.Float32 ? projected : g.Cast("patches.projection", projected, model.Type);
        }

        Value AddTable(Value projected, string name, Value? table, long axis)
        {
            if (table is null)
                return projected;
            string path = $"patches.{name}";
            Value index = g.Node("Gather", $"{path}.index", images.Places(path), g.Scalar(axis)).Set("axis", 1).Output(ElementType.Int64);
            Value vectors = g.Node("Gather", path, table.Value, index).Set("axis", 0).Output(ElementType.Float32);
            return g.Node("Add", path, projected, vectors).Output(ElementType.Float32);
        }
    }
}
