using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// Fuyu in plain loops and float64, written from transformers' <c>modeling_persimmon.py</c> and <c>modeling_fuyu.py</c>. Shares no code with the exporter. No
/// cache: every call is one pass over the whole sequence.
/// </summary>
internal sealed class ReferencePersimmon : ReferenceTensors
{
    private readonly JsonObject _config;
    private readonly JsonElement _images;
    private readonly string _decoder, _vision, _head;

    public ReferencePersimmon(string folder, JsonObject config)
        : base(folder)
    {
        _config = config;
        _images = Json(Path.Combine(folder, "preprocessor_config.json"));
        _decoder = Prefix("final_layernorm.weight");
        _vision = Prefix("vision_embed_tokens.weight") + "vision_embed_tokens";
        _head = Weights.Keys.SingleOrDefault(key => key.EndsWith("lm_head.weight", StringComparison.Ordinal)) ?? $"{_decoder}embed_tokens.weight";
    }

    /// <summary>Logits of every position, [sequence][vocabulary].</summary>
    /// <param name="ids">The whole sequence.</param>
    /// <param name="patches">The pixels (row, column, channel) of each image token, in order.</param>
    public double[][] Logits(IReadOnlyList<long> ids, IReadOnlyList<byte[]> patches)
    {
        int hidden = Number("hidden_size"), next = 0;
        double[] embedding = Weights[$"{_decoder}embed_tokens.weight"];
        double[][] h = [.. ids.Select(
            id => id == Number("image_token_id") ? Project(patches[next++]) : embedding[((int)id * hidden)..(((int)id + 1) * hidden)])];
        for (int layer = 0; layer < Number("num_hidden_layers"); layer++)
        {
            string key = $"{_decoder}layers.{layer}";
            double[][] attended = Attend($"{key}.self_attn", [.. h.Select(row => Norm(row, $"{key}.input_layernorm"))]);
            for (int s = 0; s < h.Length; s++)
            {
                h[s] = Sum(h[s], attended[s]);
                double[] up = Affine(Norm(h[s], $"{key}.post_attention_layernorm"), $"{key}.mlp.dense_h_to_4h");
                h[s] = Sum(h[s], Affine([.. up.Select(x => Math.Max(x, 0) * Math.Max(x, 0))], $"{key}.mlp.dense_4h_to_h"));
            }
        }

        return [.. h.Select(row => Times(Norm(row, $"{_decoder}final_layernorm"), _head))];
    }

    private double[] Project(byte[] pixels)
    {
        double mean = _images.GetProperty("image_mean").GetDouble(), std = _images.GetProperty("image_std").GetDouble();
        return Affine([.. pixels.Select(pixel => ((pixel * _images.GetProperty("rescale_factor").GetDouble()) - mean) / std)], _vision);
    }

    private double[][] Attend(string key, double[][] x)
    {
        int heads = Number("num_attention_heads"), size = Number("hidden_size") / heads;
        double[][] y = [.. x.Select(_ => new double[heads * size])];
        double[][] packed = [.. x.Select(row => Affine(row, $"{key}.query_key_value"))];
        for (int head = 0; head < heads; head++)
        {
            double[][] Part(int part) => [.. packed.Select(row => row[(((head * 3) + part) * size)..(((head * 3) + part + 1) * size)])];
            double[][] q = [.. Part(0).Select((row, s) => Rotate(HeadNorm(row, $"{key}.q_layernorm"), s))];
            double[][] k = [.. Part(1).Select((row, s) => Rotate(HeadNorm(row, $"{key}.k_layernorm"), s))];
            double[][] v = Part(2);
            for (int s = 0; s < x.Length; s++)
            {
                double[] scores = [.. k.Take(s + 1).Select(row => row.Zip(q[s], (a, b) => a * b).Sum() / Math.Sqrt(size))];
                double max = scores.Max(), total = scores.Sum(score => Math.Exp(score - max));
                for (int t = 0; t <= s; t++)
                {
                    for (int i = 0; i < size; i++)
                        y[s][(head * size) + i] += Math.Exp(scores[t] - max) / total * v[t][i];
                }
            }
        }

        return [.. y.Select(row => Affine(row, $"{key}.dense"))];
    }

    private double[] HeadNorm(double[] head, string key) => _config["qk_layernorm"]!.GetValue<bool>() ? Norm(head, key) : head;

    private double[] Rotate(double[] head, int position)
    {
        int rotated = (int)(head.Length * (double)_config["partial_rotary_factor"]!), half = rotated / 2;
        double[] y = [.. head];
        for (int i = 0; i < half; i++)
        {
            double angle = position / Math.Pow((double)_config["rope_theta"]!, 2.0 * i / rotated);
            y[i] = (head[i] * Math.Cos(angle)) - (head[half + i] * Math.Sin(angle));
            y[half + i] = (head[half + i] * Math.Cos(angle)) + (head[i] * Math.Sin(angle));
        }

        return y;
    }

    private double[] Norm(double[] x, string key)
    {
        double mean = x.Average(), root = Math.Sqrt(x.Average(number => (number - mean) * (number - mean)) + (double)_config["layer_norm_eps"]!);
        return [.. x.Select((number, i) => ((number - mean) / root * Weights[$"{key}.weight"][i]) + Weights[$"{key}.bias"][i])];
    }

    private int Number(string key) => (int)_config[key]!;

    private string Prefix(string end) => Weights.Keys.Single(key => key.EndsWith(end, StringComparison.Ordinal))[..^end.Length];
}
