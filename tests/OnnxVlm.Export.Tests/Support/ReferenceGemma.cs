namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// The unified Gemma in float64, written from the definition of its layers. Shares no code with the exporter. No cache: every call is one
/// pass over the whole sequence.
/// </summary>
internal sealed class ReferenceGemma(string folder, TinyGemma model) : ReferenceTensors(folder)
{
    private const double LayerNormEpsilon = 1e-5;

    /// <summary>Logits of every position, [sequence][vocabulary].</summary>
    /// <param name="ids">The whole sequence.</param>
    /// <param name="patches">Pixels (row, column, channel), column and row of each image token, in order.</param>
    public double[][] Logits(IReadOnlyList<long> ids, IReadOnlyList<(byte[] Pixels, int Column, int Row)> patches)
    {
        int next = 0;
        double[] embedding = Weights[$"{model.Prefix}embed_tokens.weight"];
        double[][] h = [.. ids.Select(id => id == TinyGemma.ImageToken
            ? Project(patches[next++])
            : embedding[((int)id * model.Hidden)..(((int)id + 1) * model.Hidden)].Select(x => x * Math.Sqrt(model.Hidden)).ToArray())];
        for (int layer = 0; layer < model.Layers; layer++)
        {
            string key = $"{model.Prefix}layers.{layer}";
            double[][] attended = Attend(ids, layer, key, [.. h.Select(row => Rms(row, $"{key}.input_layernorm"))]);
            for (int s = 0; s < h.Length; s++)
            {
                h[s] = Sum(h[s], Rms(attended[s], $"{key}.post_attention_layernorm"));
                double[] x = Rms(h[s], $"{key}.pre_feedforward_layernorm");
                double[] gated = [.. Times(x, $"{key}.mlp.gate_proj.weight").Zip(Times(x, $"{key}.mlp.up_proj.weight"), (gate, up) => TanhGelu(gate) * up)];
                h[s] = Sum(h[s], Rms(Times(gated, $"{key}.mlp.down_proj.weight"), $"{key}.post_feedforward_layernorm"));
                h[s] = [.. h[s].Select(number => number * Weights[$"{key}.layer_scalar"][0])];
            }
        }

        string head = model.Tied ? $"{model.Prefix}embed_tokens.weight" : "lm_head.weight";
        return [.. h.Select(row => Times(Rms(row, $"{model.Prefix}norm"), head).Select(Cap).ToArray())];
    }

    private double Cap(double logit) => model.Softcap is double cap ? cap * Math.Tanh(logit / cap) : logit;

    private double[] Project((byte[] Pixels, int Column, int Row) patch)
    {
        const string Embedder = "model.vision_embedder";
        double[] normed = LayerNorm([.. patch.Pixels.Select(pixel => pixel / 255.0)], $"{Embedder}.patch_ln1");
        double[] dense = LayerNorm(Sum(Times(normed, $"{Embedder}.patch_dense.weight"), Weights[$"{Embedder}.patch_dense.bias"]), $"{Embedder}.patch_ln2");
        double[] table = Weights[$"{Embedder}.pos_embedding"];
        double[] placed = [.. dense.Select(
            (number, i) => number + table[(((patch.Column * 2) + 0) * model.VisionSize) + i] + table[(((patch.Row * 2) + 1) * model.VisionSize) + i])];
        return Times(Rms(LayerNorm(placed, $"{Embedder}.pos_norm"), norm: null), "model.embed_vision.embedding_projection.weight");
    }

    private double[][] Attend(IReadOnlyList<long> ids, int layer, string key, double[][] x)
    {
        bool full = model.IsFull(layer);
        int size = full ? model.FullHeadSize : model.HeadSize, keyHeads = model.FullHeads(layer);
        string values = full && model.KeyIsValue ? "k_proj" : "v_proj";
        double[][][] Heads(string name) => [.. x.Select(row => Times(row, $"{key}.self_attn.{name}.weight").Chunk(size).ToArray())];
        double[][][] q = [.. Heads("q_proj").Select((heads, s) => heads.Select(head => Rotate(Rms(head, $"{key}.self_attn.q_norm"), s, full)).ToArray())];
        double[][][] k = [.. Heads("k_proj").Select((heads, s) => heads.Select(head => Rotate(Rms(head, $"{key}.self_attn.k_norm"), s, full)).ToArray())];
        double[][][] v = [.. Heads(values).Select(heads => heads.Select(head => Rms(head, norm: null)).ToArray())];
        return [.. x.Select((_, s) => Times([.. Enumerable.Range(0, model.Heads).SelectMany(head => One(s, head))], $"{key}.self_attn.o_proj.weight"))];

        double[] One(int query, int head)
        {
            int keyHead = head / (model.Heads / keyHeads);
            int[] seen = [.. Enumerable.Range(0, ids.Count).Where(
                other => full ? other <= query : other > query - model.Window && (other <= query || SameImage(ids, query, other)))];
            double[] scores = [.. seen.Select(other => q[query][head].Zip(k[other][keyHead], (a, b) => a * b).Sum())];
            double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
            return [.. Enumerable.Range(0, size).Select(i => seen.Zip(weights, (other, weight) => weight * v[other][keyHead][i]).Sum() / weights.Sum())];
        }
    }

    private bool SameImage(IReadOnlyList<long> ids, int first, int last) =>
        model.BothWays && ids.Skip(first).Take(last - first + 1).All(id => id == TinyGemma.ImageToken);

    private double[] Rotate(double[] head, int position, bool full)
    {
        int half = head.Length / 2, moving = full ? (int)(model.RotaryFactor * head.Length / 2) : half;
        double[] y = [.. head];
        for (int i = 0; i < moving; i++)
        {
            double angle = position / Math.Pow(full ? model.FullTheta : model.Theta, 2.0 * i / head.Length);
            y[i] = (head[i] * Math.Cos(angle)) - (head[half + i] * Math.Sin(angle));
            y[half + i] = (head[half + i] * Math.Cos(angle)) + (head[i] * Math.Sin(angle));
        }

        return y;
    }

    private double[] Rms(double[] x, string? norm)
    {
        double root = Math.Sqrt(x.Average(number => number * number) + model.RmsEpsilon);
        return [.. x.Select((number, i) => number / root * (norm is null ? 1 : Weights[$"{norm}.weight"][i]))];
    }

    private double[] LayerNorm(double[] x, string key)
    {
        double mean = x.Average(), root = Math.Sqrt(x.Average(number => (number - mean) * (number - mean)) + LayerNormEpsilon);
        return [.. x.Select((number, i) => ((number - mean) / root * Weights[$"{key}.weight"][i]) + Weights[$"{key}.bias"][i])];
    }

    private static double TanhGelu(double x) => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));
}
