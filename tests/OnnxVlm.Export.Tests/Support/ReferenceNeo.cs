using System.Text.Json;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// neo_chat in plain loops and float64, from pixels to logits, written from EvolvingLMMs-Lab/NEO's <c>modeling_neo_vit.py</c>,
/// <c>modeling_neo_chat.py</c> and <c>modeling_qwen3.py</c>, and OpenSenseNova/SenseNova-U1's <c>modeling_qwen3.py</c>. Shares no code with the
/// exporter. No cache: every call is one pass over the whole sequence.
/// </summary>
internal sealed class ReferenceNeo : ReferenceTensors
{
    private static readonly double[] Mean = [0.485, 0.456, 0.406], Std = [0.229, 0.224, 0.225];

    private readonly JsonElement _llm, _vision;
    private readonly bool _splits;
    private readonly double _theta;

    public ReferenceNeo(string folder)
        : base(folder)
    {
        JsonElement config = Json(Path.Combine(folder, "config.json"));
        _llm = config.GetProperty("llm_config");
        _vision = config.GetProperty("vision_config");
        _splits = config.TryGetProperty("fm_head_dim", out _);
        _theta = (_llm.TryGetProperty("rope_parameters", out JsonElement rope) ? rope : _llm).GetProperty("rope_theta").GetDouble();
    }

    /// <summary>Logits of every position, [sequence][vocabulary].</summary>
    /// <param name="ids">The whole sequence.</param>
    /// <param name="placeholder">The token that represents a patch.</param>
    /// <param name="images">Pixels [height, width, 3] of each image, in order; sides are whole patches.</param>
    public double[][] Logits(IReadOnlyList<long> ids, long placeholder, IReadOnlyList<(int Width, int Height, byte[] Pixels)> images)
    {
        int hidden = Number(_llm, "hidden_size");
        double[] embedding = Weights["language_model.model.embed_tokens.weight"];
        Queue<(double[] State, int Row, int Column)> patches = new(images.SelectMany(Embed));
        double[][] h = new double[ids.Count][];
        (int T, int H, int W)[] places = new (int, int, int)[ids.Count];
        for (int s = 0, t = -1; s < ids.Count; s++)
        {
            bool isImage = ids[s] == placeholder;
            t += isImage && s > 0 && ids[s - 1] == placeholder ? 0 : 1;
            (h[s], int row, int column) = isImage ? patches.Dequeue() : (embedding[((int)ids[s] * hidden)..(((int)ids[s] + 1) * hidden)], 0, 0);
            places[s] = (t, row, column);
        }

        Assert.That(patches, Is.Empty);
        for (int layer = 0; layer < Number(_llm, "num_hidden_layers"); layer++)
        {
            string key = $"language_model.model.layers.{layer}";
            double[][] attended = Attend($"{key}.self_attn", [.. h.Select(row => Norm(row, $"{key}.input_layernorm"))], places);
            for (int s = 0; s < h.Length; s++)
            {
                h[s] = Sum(h[s], attended[s]);
                double[] x = Norm(h[s], $"{key}.post_attention_layernorm");
                double[] gate = Times(x, $"{key}.mlp.gate_proj.weight");
                double[] up = Times(x, $"{key}.mlp.up_proj.weight");
                h[s] = Sum(h[s], Times([.. gate.Zip(up, (a, b) => a / (1 + Math.Exp(-a)) * b)], $"{key}.mlp.down_proj.weight"));
            }
        }

        string head = Weights.ContainsKey("language_model.lm_head.weight") ? "language_model.lm_head.weight" : "language_model.model.embed_tokens.weight";
        return [.. h.Select(row => Times(Norm(row, "language_model.model.norm"), head))];
    }

    /// <summary>Hidden states of an image's tokens, row by row.</summary>
    private IEnumerable<(double[] State, int Row, int Column)> Embed((int Width, int Height, byte[] Pixels) image)
    {
        int p = Number(_vision, "patch_size"), width = Number(_vision, "hidden_size"), columns = image.Width / p, rows = image.Height / p;
        double[,][] squares = new double[rows, columns][];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                double[] pixels = new double[3 * p * p];
                for (int i = 0; i < pixels.Length; i++)
                {
                    int channel = i / (p * p), y = (row * p) + (i / p % p), x = (column * p) + (i % p);
                    pixels[i] = ((image.Pixels[(((y * image.Width) + x) * 3) + channel] / 255.0) - Mean[channel]) / Std[channel];
                }

                double[] square = Affine(pixels, "vision_model.embeddings.patch_embedding");
                squares[row, column] = [.. Turn([.. square.Select(Gelu).Take(width / 2)], column), .. Turn([.. square.Select(Gelu).Skip(width / 2)], row)];
            }
        }

        JsonElement ratio = _vision.GetProperty("downsample_ratio");
        int merge = (int)Math.Round(1 / (ratio.ValueKind == JsonValueKind.Array ? ratio[0] : ratio).GetDouble());
        for (int row = 0; row < rows / merge; row++)
        {
            for (int column = 0; column < columns / merge; column++)
            {
                double[] window = new double[width * merge * merge];
                for (int i = 0; i < window.Length; i++)
                    window[i] = squares[(row * merge) + (i / merge % merge), (column * merge) + (i % merge)][i / (merge * merge)];
                yield return (Affine(window, "vision_model.embeddings.dense_embedding"), row, column);
            }
        }
    }

    /// <summary>Pairs of adjacent numbers, rotated by position · theta^(−2i/n).</summary>
    private double[] Turn(double[] x, int position)
    {
        double[] y = new double[x.Length];
        for (int i = 0; i < x.Length / 2; i++)
        {
            double angle = position / Math.Pow(_vision.GetProperty("rope_theta_vision").GetDouble(), 2.0 * i / x.Length);
            y[2 * i] = (x[2 * i] * Math.Cos(angle)) - (x[(2 * i) + 1] * Math.Sin(angle));
            y[(2 * i) + 1] = (x[2 * i] * Math.Sin(angle)) + (x[(2 * i) + 1] * Math.Cos(angle));
        }

        return y;
    }

    private double[][] Attend(string key, double[][] x, (int T, int H, int W)[] places)
    {
        int heads = Number(_llm, "num_attention_heads"), keyHeads = Number(_llm, "num_key_value_heads"), size = Number(_llm, "head_dim");
        double[][][] q = [.. x.Select((row, s) => Heads(key, "q", row, heads, size, places[s]))];
        double[][][] k = [.. x.Select((row, s) => Heads(key, "k", row, keyHeads, size, places[s]))];
        double[][] v = [.. x.Select(row => Times(row, $"{key}.v_proj.weight"))];
        double[][] result = new double[x.Length][];
        for (int s = 0; s < x.Length; s++)
        {
            double[] together = new double[heads * size];
            for (int head = 0; head < heads; head++)
            {
                int shared = head * keyHeads / heads;
                int[] seen = [.. Enumerable.Range(0, x.Length).Where(other => other <= s || places[other].T == places[s].T)];
                double[] scores = [.. seen.Select(other => q[s][head].Zip(k[other][shared], (a, b) => a * b).Sum() / Math.Sqrt(size))];
                double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
                for (int i = 0; i < size; i++)
                    together[(head * size) + i] = seen.Zip(weights, (other, weight) => weight * v[other][(shared * size) + i]).Sum() / weights.Sum();
            }

            result[s] = Times(together, $"{key}.o_proj.weight");
        }

        return result;
    }

    /// <summary>Heads of q or k: [temporal | row | column], each part normalized and rotated by halves.</summary>
    private double[][] Heads(string key, string name, double[] x, int heads, int size, (int T, int H, int W) place)
    {
        double[] first = Times(x, $"{key}.{name}_proj.weight"), second = _splits ? [] : Times(x, $"{key}.{name}_proj_hw.weight");
        double sideTheta = _llm.GetProperty("rope_theta_hw").GetDouble();
        return [.. Enumerable.Range(0, heads).Select(head =>
        {
            double[] own = first[(head * size)..((head + 1) * size)];
            if (_splits)
            {
                double[] sides = Norm(own[(size / 2)..], $"{key}.{name}_norm_hw");
                return Whole(Norm(own[..(size / 2)], $"{key}.{name}_norm"), sides[..(size / 4)], sides[(size / 4)..]);
            }

            double[] other = second[(head * size)..((head + 1) * size)];
            return Whole(Norm(own, $"{key}.{name}_norm"), Norm(other[..(size / 2)], $"{key}.{name}_norm_h"), Norm(other[(size / 2)..], $"{key}.{name}_norm_w"));
        })];

        double[] Whole(double[] time, double[] row, double[] column) =>
            [.. Rotate(time, place.T, _theta), .. Rotate(row, place.H, sideTheta), .. Rotate(column, place.W, sideTheta)];
    }

    private static double[] Rotate(double[] x, int position, double theta)
    {
        int half = x.Length / 2;
        double[] y = new double[x.Length];
        for (int i = 0; i < half; i++)
        {
            double angle = position / Math.Pow(theta, 2.0 * i / x.Length);
            y[i] = (x[i] * Math.Cos(angle)) - (x[half + i] * Math.Sin(angle));
            y[half + i] = (x[half + i] * Math.Cos(angle)) + (x[i] * Math.Sin(angle));
        }

        return y;
    }

    private double[] Norm(double[] x, string key)
    {
        double root = Math.Sqrt(x.Average(number => number * number) + _llm.GetProperty("rms_norm_eps").GetDouble());
        return [.. x.Select((number, i) => number / root * Weights[$"{key}.weight"][i])];
    }
}
