namespace OnnxVlm;

/// <summary>The random numbers of SplitMix64 (Steele, Lea and Flood, 2014), which are the same on every platform and .NET version.</summary>
internal static class SplitMix64
{
    /// <summary>What a state grows by from one number to the next.</summary>
    public const ulong Increment = 0x9E3779B97F4A7C15;

    /// <summary>The number of a state.</summary>
    public static ulong Mix(ulong state)
    {
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB;
        return state ^ (state >> 31);
    }
}
