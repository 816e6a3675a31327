using OnnxVlm.Generation;

namespace OnnxVlm.Tests.Generation;

internal sealed class SamplerTests
{
    [Test]
    public void Score_PenaltiesAndBias_EqualsPlainArithmetic()
    {
        Random random = new(2);
        for (int round = 0; round < 1000; round++)
        {
            const int Vocabulary = 40;
            float[] logits = [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)((random.NextDouble() * 10) - 5))];
            int[] prompt = [.. Enumerable.Range(0, random.Next(10)).Select(_ => random.Next(Vocabulary))];
            int[] answer = [.. Enumerable.Range(0, random.Next(10)).Select(_ => random.Next(Vocabulary))];
            GenerationOptions options = new()
            {
                PresencePenalty = (random.NextDouble() * 4) - 2,
                FrequencyPenalty = (random.NextDouble() * 4) - 2,
                RepetitionPenalty = 0.5 + (random.NextDouble() * 2),
                LogitBias = Enumerable.Range(0, 3).Select(_ => random.Next(Vocabulary)).Distinct().ToDictionary(id => id, _ => (random.NextDouble() * 20) - 10),
            };
            Sampler sampler = new(options, [], prompt);
            foreach (int token in answer)
                sampler.Taken(token);

            double[] expected = new double[Vocabulary];
            for (int id = 0; id < Vocabulary; id++)
            {
                double x = logits[id];
                if (prompt.Contains(id) || answer.Contains(id))
                    x = x > 0 ? x / options.RepetitionPenalty!.Value : x * options.RepetitionPenalty!.Value;
                int count = answer.Count(token => token == id);
                x -= count > 0 ? options.PresencePenalty + (options.FrequencyPenalty * count) : 0;
                expected[id] = x + options.LogitBias.GetValueOrDefault(id);
            }
            sampler.Score(logits);

            Assert.That(logits.Select(x => (double)x), Is.EqualTo(expected).Within(1e-4));
        }
    }

    [Test]
    public void Score_TopKTopPMinP_ChoosesOnlyFromTheReferenceSet()
    {
        Random random = new(3);
        for (int round = 0; round < 1000; round++)
        {
            float[] logits = [.. Enumerable.Range(0, 50).Select(_ => (float)((random.NextDouble() * 8) - 4))];
            GenerationOptions options = new()
            {
                Temperature = 0.3 + random.NextDouble(),
                TopK = random.Next(2) == 0 ? 0 : 1 + random.Next(10),
                TopP = random.Next(2) == 0 ? 1 : 0.05 + (0.9 * random.NextDouble()),
                MinP = random.Next(2) == 0 ? 0 : random.NextDouble(),
                Seed = round,
            };
            HashSet<int> allowed = ReferenceSet(logits, options);
            Sampler sampler = new(options, [], []);
            for (int draw = 0; draw < 5; draw++)
            {
                float[] scores = [.. logits];
                sampler.Score(scores);
                int[] ranked = [.. Enumerable.Range(0, 50).OrderByDescending(id => scores[id])];
                // The scores rank every candidate before every other token, and the others by the model.
                Assert.That(ranked.Take(allowed.Count), Is.EquivalentTo(allowed));
                Assert.That(ranked.Skip(allowed.Count).Select(id => logits[id]), Is.Ordered.Descending);
            }
        }
    }

    [Test]
    public void Score_Temperature_DrawsFromTheSoftmax()
    {
        float[] logits = [1, 0, -1, 2];
        Sampler sampler = new(new GenerationOptions { Temperature = 0.8, Seed = 4 }, [], []);
        int[] counts = new int[4];
        const int Draws = 40_000;
        for (int draw = 0; draw < Draws; draw++)
        {
            float[] scores = [.. logits];
            sampler.Score(scores);
            counts[Array.IndexOf(scores, scores.Max())]++;
        }

        double[] weights = [.. logits.Select(x => Math.Exp(x / 0.8))];
        for (int id = 0; id < 4; id++)
        {
            double p = weights[id] / weights.Sum();
            Assert.That(counts[id] / (double)Draws, Is.EqualTo(p).Within(5 * Math.Sqrt(p * (1 - p) / Draws)));
        }
    }

    [Test]
    public void Score_SameSeed_SameScores()
    {
        float[] first = Scores(seed: 7), same = Scores(seed: 7), other = Scores(seed: 8);

        Assert.That(same, Is.EqualTo(first));
        Assert.That(other, Is.Not.EqualTo(first));

        static float[] Scores(long seed)
        {
            float[] scores = [0, 1, 2, 3];
            new Sampler(new GenerationOptions { Temperature = 1, Seed = seed }, [], []).Score(scores);
            return scores;
        }
    }

    [Test]
    public void Score_BeforeMinNewTokens_ExcludesEndTokens()
    {
        Sampler sampler = new(new GenerationOptions { MinNewTokens = 1 }, [2], []);
        float[] early = [0, 1, 5];
        sampler.Score(early);
        sampler.Taken(1);
        float[] late = [0, 1, 5];
        sampler.Score(late);

        Assert.That(early[2], Is.EqualTo(Sampler.Excluded));
        Assert.That(late[2], Is.EqualTo(5));
        Assert.That(sampler.IsActive, Is.False);
    }

    [Test]
    public void Score_TooManyDigitsInARow_ExcludesDigits()
    {
        Sampler sampler = new(new GenerationOptions(), [], [], digitTokenIds: [0, 1]);
        for (int i = 0; i < Sampler.MaxDigitsInARow; i++)
        {
            Assert.That(sampler.IsActive, Is.False);
            sampler.Taken(i % 2);
        }
        float[] scores = [5, 4, 3];
        sampler.Score(scores);
        sampler.Taken(2);

        Assert.That(scores, Is.EqualTo(new[] { Sampler.Excluded, Sampler.Excluded, 3 }));
        Assert.That(sampler.IsActive, Is.False);
    }

    // Sorting and cumulative sums as Hugging Face's warpers do it: temperature, top-k, top-p, min-p.
    private static HashSet<int> ReferenceSet(float[] logits, GenerationOptions options)
    {
        options = options.Over(null);
        int[] ranked = [.. Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id])];
        double[] weights = [.. logits.Select(x => Math.Exp((float)(x / (float)options.Temperature!)))];
        int kept = options.TopK > 0 ? Math.Min(options.TopK!.Value, ranked.Length) : ranked.Length;
        double total = ranked.Take(kept).Sum(id => weights[id]);
        int nucleus = 0;
        for (double sum = 0; nucleus < kept && sum < options.TopP * total && options.TopP < 1; nucleus++)
            sum += weights[ranked[nucleus]];
        if (options.TopP < 1)
            kept = nucleus;
        return [.. ranked.Take(kept).Where(id => options.MinP == 0 || weights[id] >= options.MinP * weights[ranked[0]] * (1 - 1e-6))];
    }
}
