using System.Text.Json;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// The mathematics of unified_decoder as plain loops in float64, from the description of the checkpoint format. Shares no code with the exporter: it reads
/// config.json, preprocessor_config.json and the safetensors files by itself. No cache: every call is one pass over the whole sequence.
/// </summary>
internal sealed class ReferenceDecoder : ReferenceTensors
{
    private readonly JsonElement _config;
    private readonly double[] _mean, _std;

    public ReferenceDecoder(string folder)
        : base(folder)
    {
        _config = Json(Path.Combine(folder, "config.json"));
        JsonElement images = Json(Path.Combine(folder, "preprocessor_config.json"));
        _mean = [.. images.GetProperty("image_mean").EnumerateArray().Select(number => number.GetDouble())];
        _std = [.. images.GetProperty("image_std").EnumerateArray().Select(number => number.GetDouble())];
    }

    private int Hidden => Number("hidden_size");

    /// <summary>Logits of every position, [sequence][vocabulary].</summary>
    /// <param name="ids">The whole sequence.</param>
    /// <param name="patches">One entry for each image token, in order: the pixels (row, column, channel), and the place of the patch.</param>
    public double[][] Logits(IReadOnlyList<long> ids, IReadOnlyList<(byte[] Pixels, int Column, int Row)> patches)
    {
        double[][] h = Embed(ids, patches);
        for (int layer = 0; layer < Number("num_hidden_layers"); layer++)
        {
            string key = $"model.layers.{layer}";
            double[][] attended = Attend($"{key}.self_attn", [.. h.Select(row => Norm(row, $"{key}.input_layernorm.weight"))]);
            for (int s = 0; s < h.Length; s++)
                h[s] = Sum(h[s], attended[s]);
            for (int s = 0; s < h.Length; s++)
                h[s] = Sum(h[s], Mlp($"{key}.mlp", Norm(h[s], $"{key}.post_attention_layernorm.weight")));
        }

        string head = _config.GetProperty("tie_word_embeddings").GetBoolean() ? "model.embed_tokens.weight" : "lm_head.weight";
        return [.. h.Select(row => Times(Norm(row, "model.norm.weight"), head))];
    }

    private double[][] Embed(IReadOnlyList<long> ids, IReadOnlyList<(byte[] Pixels, int Column, int Row)> patches)
    {
        int next = 0, imageToken = Number("image_token_id");
        double[][] h = new double[ids.Count][];
        for (int s = 0; s < ids.Count; s++)
            h[s] = ids[s] == imageToken ? Project(patches[next++]) : [.. Row("model.embed_tokens.weight", (int)ids[s])];
        Assert.That(next, Is.EqualTo(patches.Count), "patches without an image token");
        return h;
    }

    private double[] Project((byte[] Pixels, int Column, int Row) patch)
    {
        double[] x = new double[patch.Pixels.Length];
        for (int i = 0; i < x.Length; i++)
            x[i] = ((patch.Pixels[i] / 255.0) - _mean[i % 3]) / _std[i % 3];
        double[] h = Sum(Times(x, "model.patch_embed.weight"), Weights["model.patch_embed.bias"]);
        if (Number("num_patch_rows") > 0)
            h = Sum(h, Row("model.patch_row_embed.weight", patch.Row));
        if (Number("num_patch_columns") > 0)
            h = Sum(h, Row("model.patch_column_embed.weight", patch.Column));
        return h;
    }

    private double[][] Attend(string key, double[][] x)
    {
        int heads = Number("num_attention_heads"), shared = heads / Number("num_key_value_heads"), size = Number("head_dim");
        double[][] q = [.. x.Select((row, s) => Rotate(Times(row, $"{key}.q_proj.weight"), s))];
        double[][] k = [.. x.Select((row, s) => Rotate(Times(row, $"{key}.k_proj.weight"), s))];
        double[][] v = [.. x.Select(row => Times(row, $"{key}.v_proj.weight"))];
        double[][] y = new double[x.Length][];
        for (int s = 0; s < x.Length; s++)
        {
            double[] joined = new double[heads * size];
            for (int head = 0; head < heads; head++)
            {
                int from = head / shared * size;
                double[] scores = new double[s + 1];
                for (int t = 0; t <= s; t++)
                {
                    for (int i = 0; i < size; i++)
                        scores[t] += q[s][(head * size) + i] * k[t][from + i];
                    scores[t] /= Math.Sqrt(size);
                }

                double max = scores.Max(), total = scores.Sum(score => Math.Exp(score - max));
                for (int t = 0; t <= s; t++)
                {
                    for (int i = 0; i < size; i++)
                        joined[(head * size) + i] += Math.Exp(scores[t] - max) / total * v[t][from + i];
                }
            }

            y[s] = Times(joined, $"{key}.o_proj.weight");
        }

        return y;
    }

    private double[] Rotate(double[] row, int position)
    {
        int size = Number("head_dim"), half = size / 2;
        double theta = _config.GetProperty("rope_theta").GetDouble();
        double[] y = new double[row.Length];
        for (int start = 0; start < row.Length; start += size)
        {
            for (int i = 0; i < half; i++)
            {
                double angle = position / Math.Pow(theta, 2.0 * i / size);
                double a = row[start + i], b = row[start + half + i];
                y[start + i] = (a * Math.Cos(angle)) - (b * Math.Sin(angle));
                y[start + half + i] = (b * Math.Cos(angle)) + (a * Math.Sin(angle));
            }
        }

        return y;
    }

    private double[] Mlp(string key, double[] x)
    {
        double[] gate = Times(x, $"{key}.gate_proj.weight"), up = Times(x, $"{key}.up_proj.weight");
        for (int i = 0; i < gate.Length; i++)
            gate[i] = gate[i] / (1 + Math.Exp(-gate[i])) * up[i];
        return Times(gate, $"{key}.down_proj.weight");
    }

    private double[] Norm(double[] x, string key)
    {
        double root = Math.Sqrt((x.Sum(number => number * number) / x.Length) + _config.GetProperty("rms_norm_eps").GetDouble());
        return [.. x.Select((number, i) => number / root * Weights[key][i])];
    }

    private double[] Row(string key, int row) => Weights[key][(row * Hidden)..((row + 1) * Hidden)];

    private int Number(string key) => _config.GetProperty(key).GetInt32();
}
