using System.Globalization;
using System.Net.Http.Headers;

namespace OnnxVlm.Hub.Http;

/// <summary>The wait that the hub asks for: <c>RateLimit: "resolvers";r=0;t=55</c>, or else <c>Retry-After</c>.</summary>
internal static class RateLimit
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(6);

    /// <summary>The time to wait before the next try.</summary>
    /// <param name="headers">The headers of the refusal.</param>
    /// <param name="attempt">The number of earlier tries, which decides where the answer has no time: 1, 2, 4, 8, 8 … seconds.</param>
    public static TimeSpan Delay(HttpResponseHeaders headers, int attempt)
    {
        if (headers.TryGetValues("RateLimit", out IEnumerable<string>? values) && Reset(string.Join(',', values)) is int seconds)
            return Min(TimeSpan.FromSeconds(seconds + 1));
        return headers.RetryAfter switch
        {
            { Delta: TimeSpan delta } => Min(delta),
            { Date: DateTimeOffset date } => Min(date - DateTimeOffset.UtcNow),
            _ => Backoff(attempt),
        };
    }

    /// <summary>1, 2, 4, 8, 8 … seconds.</summary>
    public static TimeSpan Backoff(int attempt) => TimeSpan.FromSeconds(1 << Math.Min(attempt, 3));

    /// <summary>The <c>t</c> of an item whose <c>r</c> is 0.</summary>
    private static int? Reset(string header)
    {
        foreach (string item in header.Split(','))
        {
            string[] parameters = item.Split(';', StringSplitOptions.TrimEntries);
            if (parameters.Contains("r=0") && parameters.FirstOrDefault(parameter => parameter.StartsWith("t=", StringComparison.Ordinal)) is string t
                && int.TryParse(t.AsSpan(2), NumberStyles.None, CultureInfo.InvariantCulture, out int seconds))
                return seconds;
        }

        return null;
    }

    // A fixed window is 5 minutes: a longer time is not worth waiting for.
    private static TimeSpan Min(TimeSpan delay) => delay < TimeSpan.Zero ? TimeSpan.Zero : delay < Longest ? delay : Longest;
}
