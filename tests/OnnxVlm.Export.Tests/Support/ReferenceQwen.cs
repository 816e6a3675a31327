using System.Text.Json;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>
/// qwen3_5 in plain loops and float64, from pixels to logits, written from transformers' <c>modeling_qwen3_5.py</c>. Shares no code with the
/// exporter. No cache and no state: every call is one pass over the whole sequence, and linear attention is the recurrence of its definition.
/// </summary>
internal sealed class ReferenceQwen : ReferenceTensors
{
    private readonly JsonElement _text, _vision, _images;
    private readonly int _placeholder;

    public ReferenceQwen(string folder)
        : base(folder)
    {
        JsonElement config = Json(Path.Combine(folder, "config.json"));
        _text = config.GetProperty("text_config");
        _vision = config.GetProperty("vision_config");
        _images = Json(Path.Combine(folder, "preprocessor_config.json"));
        _placeholder = config.GetProperty("image_token_id").GetInt32();
    }

    /// <summary>Logits of every position, [sequence][vocabulary].</summary>
    /// <param name="ids">The whole sequence.</param>
    /// <param name="images">Pixels [height, width, 3] of each image, in order; sides are whole tokens.</param>
    public double[][] Logits(IReadOnlyList<long> ids, IReadOnlyList<(int Width, int Height, byte[] Pixels)> images)
    {
        const string Decoder = "model.language_model.";
        int hidden = Number(_text, "hidden_size");
        double[] embedding = Weights[$"{Decoder}embed_tokens.weight"];
        (double[][] h, (int T, int H, int W)[] places) = Read(ids, images, id => embedding[(id * hidden)..((id + 1) * hidden)]);
        for (int layer = 0; layer < Number(_text, "num_hidden_layers"); layer++)
        {
            string key = $"{Decoder}layers.{layer}";
            double[][] x = [.. h.Select(row => Norm(row, $"{key}.input_layernorm"))];
            double[][] mixed = Weights.ContainsKey($"{key}.self_attn.q_proj.weight") ? Attend($"{key}.self_attn", x, places) : Recur($"{key}.linear_attn", x);
            for (int s = 0; s < h.Length; s++)
            {
                h[s] = Sum(h[s], mixed[s]);
                double[] y = Norm(h[s], $"{key}.post_attention_layernorm");
                double[] gate = Times(y, $"{key}.mlp.gate_proj.weight");
                double[] up = Times(y, $"{key}.mlp.up_proj.weight");
                h[s] = Sum(h[s], Times([.. gate.Zip(up, (a, b) => Silu(a) * b)], $"{key}.mlp.down_proj.weight"));
            }
        }

        string head = Weights.ContainsKey("lm_head.weight") ? "lm_head.weight" : $"{Decoder}embed_tokens.weight";
        return [.. h.Select(row => Times(Norm(row, $"{Decoder}norm"), head))];
    }

    /// <summary>The inputs of the first layer, and the position of each token.</summary>
    private (double[][] Hidden, (int T, int H, int W)[] Places) Read(
        IReadOnlyList<long> ids, IReadOnlyList<(int Width, int Height, byte[] Pixels)> images, Func<int, double[]> embed)
    {
        int merge = Number(_vision, "spatial_merge_size"), side = merge * Number(_vision, "patch_size");
        double[][] h = new double[ids.Count][];
        (int, int, int)[] places = new (int, int, int)[ids.Count];
        int next = 0, image = 0;
        for (int s = 0; s < ids.Count;)
        {
            if (ids[s] != _placeholder)
            {
                (h[s], places[s]) = (embed((int)ids[s]), (next, next, next));
                (s, next) = (s + 1, next + 1);
                continue;
            }

            int rows = images[image].Height / side, columns = images[image].Width / side;
            double[][] states = Look(images[image++]);
            for (int i = 0; i < states.Length; i++)
                (h[s + i], places[s + i]) = (states[i], (next, next + (i / columns), next + (i % columns)));
            (s, next) = (s + states.Length, next + Math.Max(rows, columns));
        }

        Assert.That(image, Is.EqualTo(images.Count));
        return (h, places);
    }

    /// <summary>Hidden states of an image's tokens, row by row.</summary>
    private double[][] Look((int Width, int Height, byte[] Pixels) image)
    {
        const string Tower = "model.visual.";
        int p = Number(_vision, "patch_size"), merge = Number(_vision, "spatial_merge_size"), columns = image.Width / p, rows = image.Height / p;
        (int Row, int Column)[] patches =
        [
            .. from row in Enumerable.Range(0, rows / merge)
               from column in Enumerable.Range(0, columns / merge)
               from y in Enumerable.Range(0, merge)
               from x in Enumerable.Range(0, merge)
               select ((row * merge) + y, (column * merge) + x),
        ];
        double[][] v = [.. patches.Select(place => Sum(Patch(image, place.Row, place.Column), Position(place.Row, place.Column, rows, columns)))];
        for (int block = 0; block < Number(_vision, "depth"); block++)
        {
            string key = $"{Tower}blocks.{block}";
            double[][] attended = LookAround(key, [.. v.Select(row => LayerNorm(row, $"{key}.norm1"))], patches);
            for (int i = 0; i < v.Length; i++)
            {
                v[i] = Sum(v[i], attended[i]);
                double[] inner = [.. Affine(LayerNorm(v[i], $"{key}.norm2"), $"{key}.mlp.linear_fc1").Select(
                    x => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))))];
                v[i] = Sum(v[i], Affine(inner, $"{key}.mlp.linear_fc2"));
            }
        }

        return [.. v.Select(row => LayerNorm(row, $"{Tower}merger.norm")).Chunk(merge * merge).Select(
            four => Affine([.. Affine([.. four.SelectMany(row => row)], $"{Tower}merger.linear_fc1").Select(Gelu)], $"{Tower}merger.linear_fc2"))];
    }

    private double[] Patch((int Width, int Height, byte[] Pixels) image, int row, int column)
    {
        int p = Number(_vision, "patch_size"), frames = Number(_vision, "temporal_patch_size");
        double[] numbers = new double[3 * frames * p * p];
        for (int i = 0; i < numbers.Length; i++)
        {
            int channel = i / (frames * p * p), y = (row * p) + (i / p % p), x = (column * p) + (i % p);
            double mean = _images.GetProperty("image_mean")[channel].GetDouble(), deviation = _images.GetProperty("image_std")[channel].GetDouble();
            numbers[i] = ((image.Pixels[(((y * image.Width) + x) * 3) + channel] / 255.0) - mean) / deviation;
        }

        return Affine(numbers, "model.visual.patch_embed.proj");
    }

    private double[] Position(int row, int column, int rows, int columns)
    {
        double[] table = Weights["model.visual.pos_embed.weight"];
        int width = Number(_vision, "hidden_size"), n = (int)Math.Round(Math.Sqrt(Number(_vision, "num_position_embeddings")));
        double y = rows == 1 ? 0 : (double)row * (n - 1) / (rows - 1), x = columns == 1 ? 0 : (double)column * (n - 1) / (columns - 1);
        int y0 = (int)y, x0 = (int)x, y1 = Math.Min(y0 + 1, n - 1), x1 = Math.Min(x0 + 1, n - 1);
        return [.. Enumerable.Range(0, width).Select(i =>
            ((1 - (y - y0)) * (((1 - (x - x0)) * At(y0, x0, i)) + ((x - x0) * At(y0, x1, i))))
                + ((y - y0) * (((1 - (x - x0)) * At(y1, x0, i)) + ((x - x0) * At(y1, x1, i)))))];

        double At(int r, int c, int i) => table[(((r * n) + c) * width) + i];
    }

    private double[][] LookAround(string key, double[][] x, (int Row, int Column)[] patches)
    {
        int heads = Number(_vision, "num_heads"), width = Number(_vision, "hidden_size"), size = width / heads;
        double[][] all = [.. x.Select(row => Affine(row, $"{key}.attn.qkv"))];
        return [.. x.Select((_, s) =>
        {
            double[] together = new double[width];
            for (int head = 0; head < heads; head++)
            {
                double[] q = Head(s, 0, head);
                double[] scores = [.. Enumerable.Range(0, x.Length).Select(other => q.Zip(Head(other, 1, head), (a, b) => a * b).Sum() / Math.Sqrt(size))];
                double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
                for (int i = 0; i < size; i++)
                    together[(head * size) + i] = weights.Select((weight, other) => weight * all[other][(2 * width) + (head * size) + i]).Sum() / weights.Sum();
            }

            return Affine(together, $"{key}.attn.proj");
        })];

        double[] Head(int s, int part, int head)
        {
            double[] own = all[s][((part * width) + (head * size))..((part * width) + ((head + 1) * size))];
            return Turn(own, [.. Enumerable.Range(0, size / 2).Select(
                i => (i < size / 4 ? patches[s].Row : patches[s].Column) / Math.Pow(10000, 2.0 * (i % (size / 4)) / (size / 2)))]);
        }
    }

    private double[][] Attend(string key, double[][] x, (int T, int H, int W)[] places)
    {
        int heads = Number(_text, "num_attention_heads"), keyHeads = Number(_text, "num_key_value_heads"), size = Number(_text, "head_dim");
        JsonElement rope = _text.GetProperty("rope_parameters");
        int rotated = (int)(size * rope.GetProperty("partial_rotary_factor").GetDouble());
        int rows = rope.GetProperty("mrope_section")[1].GetInt32(), columns = rope.GetProperty("mrope_section")[2].GetInt32();
        double[][] both = [.. x.Select(row => Times(row, $"{key}.q_proj.weight"))];
        double[][] keys = [.. x.Select(row => Times(row, $"{key}.k_proj.weight"))];
        double[][] v = [.. x.Select(row => Times(row, $"{key}.v_proj.weight"))];
        double[][] result = new double[x.Length][];
        for (int s = 0; s < x.Length; s++)
        {
            double[] together = new double[heads * size];
            for (int head = 0; head < heads; head++)
            {
                int shared = head * keyHeads / heads;
                double[] q = Rotate(Norm(both[s][(2 * head * size)..((2 * head * size) + size)], $"{key}.q_norm"), places[s]);
                double[] scores = [.. Enumerable.Range(0, s + 1).Select(
                    other => q.Zip(Rotate(Norm(keys[other][(shared * size)..((shared + 1) * size)], $"{key}.k_norm"), places[other]), (a, b) => a * b)
                    .Sum() / Math.Sqrt(size))];
                double[] weights = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
                for (int i = 0; i < size; i++)
                    together[(head * size) + i] = weights.Select((weight, other) => weight * v[other][(shared * size) + i]).Sum() / weights.Sum()
                        * Sigmoid(both[s][(((2 * head) + 1) * size) + i]);
            }

            result[s] = Times(together, $"{key}.o_proj.weight");
        }

        return result;

        double[] Rotate(double[] head, (int T, int H, int W) place)
        {
            double[] angles = [.. Enumerable.Range(0, rotated / 2).Select(k =>
                (k % 3 == 1 && k < 3 * rows ? place.H : k % 3 == 2 && k < 3 * columns ? place.W : place.T)
                / Math.Pow(rope.GetProperty("rope_theta").GetDouble(), 2.0 * k / rotated))];
            return [.. Turn(head[..rotated], angles), .. head[rotated..]];
        }
    }

    /// <summary>Gated DeltaNet, token after token.</summary>
    private double[][] Recur(string key, double[][] x)
    {
        int keyHeads = Linear("num_key_heads");
        int valueHeads = Linear("num_value_heads");
        int dk = Linear("key_head_dim");
        int dv = Linear("value_head_dim");
        int kernel = Linear("conv_kernel_dim");
        int keys = keyHeads * dk, channels = (2 * keys) + (valueHeads * dv);
        double[][] u = [.. x.Select(row => Times(row, $"{key}.in_proj_qkv.weight"))];
        double[] filter = Weights[$"{key}.conv1d.weight"];
        double[][,] states = [.. Enumerable.Range(0, valueHeads).Select(_ => new double[dk, dv])];
        double[][] result = new double[x.Length][];
        for (int s = 0; s < x.Length; s++)
        {
            double[] mixed = [.. Enumerable.Range(0, channels).Select(
                c => Silu(Enumerable.Range(0, kernel).Where(j => s - kernel + 1 + j >= 0).Sum(j => filter[(c * kernel) + j] * u[s - kernel + 1 + j][c])))];
            double[] a = Times(x[s], $"{key}.in_proj_a.weight"), b = Times(x[s], $"{key}.in_proj_b.weight"), z = Times(x[s], $"{key}.in_proj_z.weight");
            double[] together = new double[valueHeads * dv];
            for (int head = 0; head < valueHeads; head++)
            {
                int shared = head / (valueHeads / keyHeads);
                double[] q = [.. Unit(mixed[(shared * dk)..((shared + 1) * dk)]).Select(number => number / Math.Sqrt(dk))];
                double[] k = Unit(mixed[(keys + (shared * dk))..(keys + ((shared + 1) * dk))]);
                double[] v = mixed[((2 * keys) + (head * dv))..((2 * keys) + ((head + 1) * dv))];
                double decay = Math.Exp(-Math.Exp(Weights[$"{key}.A_log"][head]) * Math.Log(1 + Math.Exp(a[head] + Weights[$"{key}.dt_bias"][head])));
                double[] o = Step(states[head], q, k, v, decay, Sigmoid(b[head]));
                double root = Math.Sqrt(o.Average(number => number * number) + _text.GetProperty("rms_norm_eps").GetDouble());
                for (int i = 0; i < dv; i++)
                    together[(head * dv) + i] = o[i] / root * Weights[$"{key}.norm.weight"][i] * Silu(z[(head * dv) + i]);
            }

            result[s] = Times(together, $"{key}.out_proj.weight");
        }

        return result;

        int Linear(string name) => Number(_text, $"linear_{name}");
    }

    private static double[] Step(double[,] state, double[] q, double[] k, double[] v, double decay, double beta)
    {
        double[] o = new double[v.Length];
        for (int j = 0; j < v.Length; j++)
        {
            double seen = 0;
            for (int i = 0; i < k.Length; i++)
                seen += (state[i, j] *= decay) * k[i];
            for (int i = 0; i < k.Length; i++)
                o[j] += (state[i, j] += k[i] * beta * (v[j] - seen)) * q[i];
        }

        return o;
    }

    private static double[] Unit(double[] x)
    {
        double root = Math.Sqrt(x.Sum(number => number * number) + 1e-6);
        return [.. x.Select(number => number / root)];
    }

    /// <summary>Pairs that are half the numbers apart, rotated.</summary>
    private static double[] Turn(double[] x, double[] angles)
    {
        int half = x.Length / 2;
        double[] y = new double[x.Length];
        for (int i = 0; i < half; i++)
        {
            y[i] = (x[i] * Math.Cos(angles[i])) - (x[half + i] * Math.Sin(angles[i]));
            y[half + i] = (x[half + i] * Math.Cos(angles[i])) + (x[i] * Math.Sin(angles[i]));
        }

        return y;
    }

    private double[] Norm(double[] x, string key)
    {
        double root = Math.Sqrt(x.Average(number => number * number) + _text.GetProperty("rms_norm_eps").GetDouble());
        return [.. x.Select((number, i) => number / root * (1 + Weights[$"{key}.weight"][i]))];
    }

    private double[] LayerNorm(double[] x, string key)
    {
        double mean = x.Average(), root = Math.Sqrt(x.Average(number => (number - mean) * (number - mean)) + 1e-6);
        return [.. x.Select((number, i) => ((number - mean) / root * Weights[$"{key}.weight"][i]) + Weights[$"{key}.bias"][i])];
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static double Silu(double x) => x * Sigmoid(x);
}
