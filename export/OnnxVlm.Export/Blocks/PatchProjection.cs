using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export.Blocks;

/// <summary>The linear layer from pixels to hidden states, with the normalization of the pixels folded into it.</summary>
internal sealed record PatchProjection
{
    /// <summary>The checkpoint's key of the projection, with <c>.weight</c> [H, 3·p·p] and <c>.bias</c> [H].</summary>
    public required string Key { get; init; }

    /// <summary>Side of a patch in pixels.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Width of the hidden states.</summary>
    public required int Hidden { get; init; }

    /// <summary>Factor of a pixel's value before the normalization; usually 1/255.</summary>
    public double Rescale { get; init; } = 1 / 255.0;

    /// <summary>Mean of each channel; the checkpoint normalizes x = (u8 · rescale − mean) / std.</summary>
    public required double[] Mean { get; init; }

    /// <summary>Standard deviation of each channel.</summary>
    public required double[] Std { get; init; }

    /// <summary>Whether the checkpoint has a convolution [H, 3, p, p], whose patches are [channel, row, column] instead of [row, column, channel].</summary>
    public bool IsConvolution { get; init; }

    /// <summary>
    /// Frames that the convolution spans, [H, 3, frames, p, p]. A still image is the same frame each time, so the frames' weights are added up. Null
    /// for a convolution without a time axis.
    /// </summary>
    public int? Frames { get; init; }

    /// <summary>Learned vectors by row of the patch: the checkpoint's key and its rows; null for none.</summary>
    public (string Key, int Rows)? RowTable { get; init; }

    /// <summary>Learned vectors by column of the patch; null for none.</summary>
    public (string Key, int Rows)? ColumnTable { get; init; }

    /// <summary>Whether the graph needs the place of each patch.</summary>
    public bool HasPositions => RowTable is not null || ColumnTable is not null;

    /// <summary>Numbers in a patch.</summary>
    public int PatchWidth => 3 * PatchSize * PatchSize;

    /// <summary>
    /// W·((u·rescale − mean)/std) + b = W'·u + b' with W' = W·rescale/std, b' = b − Σ W·mean/std, in float64. It is always float32 in the graph: W'
    /// is small and u is large, and 16 bits would lose too much.
    /// </summary>
    public (Value Weight, Value Bias) Fold(ModelGraph model)
    {
        CheckpointTensor weight = Frames is int frames ? model.Weights.Take($"{Key}.weight", Hidden, 3, frames, PatchSize, PatchSize)
            : IsConvolution ? model.Weights.Take($"{Key}.weight", Hidden, 3, PatchSize, PatchSize)
            : model.Weights.Take($"{Key}.weight", Hidden, PatchWidth);
        CheckpointTensor bias = model.Weights.Take($"{Key}.bias", Hidden);
        Initializer folded = model.Graph.Declare($"{Key}.weight", ElementType.Float32, Hidden, PatchWidth);
        Initializer shifted = model.Graph.Declare($"{Key}.bias", ElementType.Float32, Hidden);
        model.Graph.Fill(new DerivedWeights([folded, shifted], [weight, bias], numbers => Fold(AddFrames(numbers[0]), numbers[1])));
        return (folded.Value, shifted.Value);
    }

    private float[][] Fold(float[] w, float[] b)
    {
        for (int row = 0; row < Hidden; row++)
        {
            double shift = 0;
            for (int i = 0; i < PatchWidth; i++)
            {
                int channel = IsConvolution ? i / (PatchSize * PatchSize) : i % 3;
                ref float element = ref w[(row * PatchWidth) + i];
                shift += element * Mean[channel] / Std[channel];
                element = (float)(element * Rescale / Std[channel]);
            }

            b[row] = (float)(b[row] - shift);
        }

        return [w, b];
    }

    private float[] AddFrames(float[] weights)
    {
        if (Frames is not int frames)
            return weights;
        int plane = PatchSize * PatchSize;
        float[] sums = new float[weights.Length / frames];
        for (int i = 0; i < sums.Length; i++)
        {
            double sum = 0;
            for (int frame = 0; frame < frames; frame++)
                sum += weights[(((i / plane * frames) + frame) * plane) + (i % plane)];
            sums[i] = (float)sum;
        }

        return sums;
    }
}
