namespace OnnxVlm.Evaluation.Benchmarking;

/// <summary>Several measurements of the same thing: the median and the range.</summary>
internal sealed record Measurement(double Median, double Min, double Max, IReadOnlyList<double> Values)
{
    public static Measurement Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        double median = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Measurement(median, sorted[0], sorted[^1], sorted);
    }
}
