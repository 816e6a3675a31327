namespace OnnxVlm.Server.Wire;

/// <summary>How long prompt and answer took. Not part of OpenAI's API; form and names are those of llama.cpp's server.</summary>
/// <param name="CacheN">Tokens of the prompt that were in the cache already.</param>
/// <param name="PromptN">Tokens of the prompt that were read.</param>
/// <param name="PromptMs">Milliseconds until they were read.</param>
/// <param name="PredictedN">Tokens of the answer so far.</param>
/// <param name="PredictedMs">Milliseconds since the first of them.</param>
internal sealed record Timings(long CacheN, long PromptN, double PromptMs, long PredictedN, double PredictedMs)
{
    public double PromptPerTokenMs => Ratio(PromptMs, PromptN);

    public double PromptPerSecond => Ratio(1000 * PromptN, PromptMs);

    public double PredictedPerTokenMs => Ratio(PredictedMs, PredictedN);

    public double PredictedPerSecond => Ratio(1000 * PredictedN, PredictedMs);

    private static double Ratio(double a, double b) => b > 0 ? a / b : 0;
}
