using OnnxVlm.Prompting;

namespace OnnxVlm.Generation;

/// <summary>
/// How probable each of some answers is: the product of the conditional probabilities of its tokens and of its end. The prompt is read once; each answer goes on from a copy of its row, and up to
/// <see cref="MostRows"/> of them run as rows of one batch. Where the model's runner copies no rows, they run one after the other and the row goes back to the prompt's end in between.
/// </summary>
/// <param name="generator">The model, its cache and its tokens.</param>
internal sealed class ChoiceScorer(TokenGenerator generator)
{
    // More would leave no room for other answers; later ones take over the rows of earlier ones.
    private const int MostRows = 16;

    /// <summary>Scores answers.</summary>
    /// <param name="prompt">What the model reads before.</param>
    /// <param name="choices">The answers as token ids, none of them empty.</param>
    /// <param name="scope">Only rows of the same scope serve.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Log probabilities, double [choices].</returns>
    /// <exception cref="PromptTooLongException">Prompt and answer do not fit into the context.</exception>
    public async Task<double[]> ScoreAsync(Prompt prompt, IReadOnlyList<int[]> choices, string? scope, CancellationToken cancellationToken)
    {
        int longest = choices.Max(choice => choice.Length);
        if (prompt.TokenCount + longest > generator.Decoder.ContextLength)
            throw new PromptTooLongException($"The prompt has {prompt.TokenCount} tokens and the longest choice {longest}, and the model's context has room for {generator.Decoder.ContextLength}.");
        PromptSize.CheckTokens(prompt.TokenCount, prompt.ImageTokenCount, generator.Decoder.ContextLength);
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (!generator.Decoder.CanFork)
        {
            double[] scores = new double[choices.Count];
            for (int i = 0; i < scores.Length; i++)
                scores[i] = await ScoreAsync(prompt, choices[i], scope, ending.Token).ConfigureAwait(false);
            return scores;
        }
        using SemaphoreSlim rows = new(MostRows);
        Task<double>[] all = [.. choices.Select(choice => Task.Run(() => ScoreInTurnAsync(rows, prompt, choice, scope, ending.Token), CancellationToken.None))];
        try
        {
            return await Task.WhenAll(all).ConfigureAwait(false);
        }
        catch
        {
            // One that fails is the failure of all; rows are back before that is told.
            await ending.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(all)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private async Task<double> ScoreInTurnAsync(SemaphoreSlim rows, Prompt prompt, int[] choice, string? scope, CancellationToken cancellationToken)
    {
        await rows.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await ScoreAsync(prompt, choice, scope, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            rows.Release();
        }
    }

    private async Task<double> ScoreAsync(Prompt prompt, int[] choice, string? scope, CancellationToken cancellationToken)
    {
        using ActiveSequence sequence = new(generator.Decoder, generator.Cache, prompt, choice.Length, scope);
        await sequence.OpenAsync(cancellationToken).ConfigureAwait(false);
        await sequence.ReadPromptAsync(cancellationToken).ConfigureAwait(false);
        double logprob = 0;
        foreach (int token in choice)
        {
            cancellationToken.ThrowIfCancellationRequested();
            logprob += LogprobOf(sequence.Logits, [token]);
            await sequence.ReadAsync([new PromptSegment(new[] { token })], cancellationToken).ConfigureAwait(false);
        }
        logprob += LogprobOf(sequence.Logits, generator.EndTokenIds);
        sequence.Pause();
        return logprob;
    }

    // Of several tokens the probability that it is one of them.
    private static double LogprobOf(ReadOnlySpan<float> logits, IReadOnlyList<int> tokens)
    {
        double max = float.NegativeInfinity;
        foreach (float logit in logits)
            max = Math.Max(max, logit);
        double all = 0, these = 0;
        foreach (float logit in logits)
            all += Math.Exp(logit - max);
        foreach (int token in tokens.Distinct())
            these += Math.Exp(logits[token] - max);
        return Math.Log(these) - Math.Log(all);
    }
}
