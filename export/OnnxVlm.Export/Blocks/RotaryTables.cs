using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>cos and sin of position · frequency, [positions, dimensions / 2] each, shared by all layers.</summary>
/// <param name="Cos">Cosines.</param>
/// <param name="Sin">Sines.</param>
/// <param name="Dimensions">Rotated elements of a head: twice the columns.</param>
internal sealed record RotaryTables(Value Cos, Value Sin, int Dimensions)
{
    /// <summary>Tables of a model with one kind of rotation.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="dimensions">Rotated elements of a head.</param>
    /// <param name="positions">Rows.</param>
    /// <param name="columns">Columns; null for half the dimensions.</param>
    public static RotaryTables Create(ModelGraph model, double theta, int dimensions, int positions, int? columns = null) =>
        Create(model, "rotary", Frequencies(theta, dimensions), positions, columns ?? dimensions / 2);

    /// <summary>Tables of arbitrary frequencies.</summary>
    /// <param name="model">The graph.</param>
    /// <param name="name">Name of the tables, where a model has several.</param>
    /// <param name="frequencies">Angles between neighbouring positions; 0, which rotates nothing, for columns beyond them.</param>
    /// <param name="positions">Rows.</param>
    /// <param name="columns">Columns.</param>
    public static RotaryTables Create(ModelGraph model, string name, IReadOnlyList<double> frequencies, int positions, int columns)
    {
        Initializer cos = model.Graph.Declare($"{name}.cos", model.Type, positions, columns);
        Initializer sin = model.Graph.Declare($"{name}.sin", model.Type, positions, columns);
        model.Graph.Fill(new RotaryTableWeights(cos, sin, [.. frequencies, .. Enumerable.Repeat(0.0, columns - frequencies.Count)]));
        return new RotaryTables(cos.Value, sin.Value, 2 * columns);
    }

    /// <summary>frequency(i) = theta^(−2i/dimensions) (Su et al., 2021).</summary>
    /// <param name="theta">Base of the frequencies.</param>
    /// <param name="dimensions">What the exponents are divided by.</param>
    /// <param name="count">How many frequencies; null for half the dimensions.</param>
    public static double[] Frequencies(double theta, int dimensions, int? count = null) =>
        [.. Enumerable.Range(0, count ?? dimensions / 2).Select(i => Math.Pow(theta, -2.0 * i / dimensions))];
}
