namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's sorted(): stable, with one key for each element, and an error where two keys have no order.</summary>
internal static class PythonSorting
{
    public static List<T> Sort<T>(IEnumerable<T> items, Func<T, object> key, bool reverse, TemplateBudget budget)
    {
        // Reverse sorting also keeps the order of equal elements, so the comparison is reversed and not the result.
        Comparer<object> comparer = Comparer<object>.Create((left, right) =>
        {
            if (PythonComparison.IsOrdered(right, left, "<", budget))
                return reverse ? -1 : 1;
            return PythonComparison.IsOrdered(left, right, "<", budget) ? (reverse ? 1 : -1) : 0;
        });
        try
        {
            return [.. items.OrderBy(key, comparer)];
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // .NET's sort wraps exceptions of the comparison, and reports some comparisons that are not an order (NaN).
            throw e.InnerException as JinjaException ?? JinjaException.Value("the elements have no order");
        }
    }
}
