using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>cos and sin of position · frequency, [positions, dimensions / 2] each, shared by all layers.</summary>
/// <param name="Cos">Cosines.</param>
/// <param name="Sin">Sines.</param>
/// <param name="Dimensions">Rotated numbers of a head: twice the columns.</param>
internal sealed record RotaryTables(Value Cos, Value Sin, int Dimensions)
{
    /// <summary>frequency(i) = theta^(−2i/dimensions) (Su et al., 2021), computed in float64; 0 from dimensions / 2 on.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="dimensions">Rotated numbers of a head.</param>
    /// <param name="positions">Rows.</param>
    /// <param name="columns">Columns; null for half the dimensions.</param>
    public static RotaryTables Create(ModelGraph model, double theta, int dimensions, int positions, int? columns = null)
    {
        int half = columns ?? dimensions / 2;
        float[] cos = new float[checked(positions * half)], sin = new float[cos.Length];
        for (int i = 0; i < half; i++)
        {
            double frequency = i < dimensions / 2 ? Math.Pow(theta, -2.0 * i / dimensions) : 0;
            for (int position = 0; position < positions; position++)
            {
                (double s, double c) = Math.SinCos(position * frequency);
                cos[(position * half) + i] = (float)c;
                sin[(position * half) + i] = (float)s;
            }
        }

        return new RotaryTables(
            model.Graph.Weight("rotary.cos", cos, model.Type, positions, half),
            model.Graph.Weight("rotary.sin", sin, model.Type, positions, half),
            2 * half);
    }
}
