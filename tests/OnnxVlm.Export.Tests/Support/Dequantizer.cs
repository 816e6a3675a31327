using OnnxVlm.Export.Onnx.Proto;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>Reads back the quantized matrices of an exported model folder, by the description of MatMulNBits and GatherBlockQuantized.</summary>
internal static class Dequantizer
{
    /// <summary>Replaces the reference's weights by those that the folder has.</summary>
    public static void Replace(ReferenceTensors reference, string folder)
    {
        ModelProto model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(folder, "model.onnx")));
        foreach (TensorProto scales in model.Graph.Initializer.Where(tensor => tensor.Name.EndsWith(".scales", StringComparison.Ordinal)))
        {
            string name = scales.Name[..^".scales".Length];
            TensorProto codes = model.Graph.Initializer.Single(tensor => tensor.Name == $"{name}.codes");
            TensorProto? zeros = model.Graph.Initializer.SingleOrDefault(tensor => tensor.Name == $"{name}.zeros");
            byte[] codeBytes = Bytes(folder, codes), scaleBytes = Bytes(folder, scales);
            byte[]? zeroBytes = zeros is null ? null : Bytes(folder, zeros);
            int rows = (int)scales.Dims[0], blocks = (int)scales.Dims[1], blockSize = BlockSize(model, codes.Name), row = 0;
            string[] parts = [.. PartsOf(name).Where(reference.Weights.ContainsKey)];
            int width = parts.Sum(part => reference.Weights[part].Length) / rows;
            foreach (string part in parts)
            {
                double[] weights = reference.Weights[part];
                for (int i = 0; i < weights.Length; i++)
                {
                    int inRow = i % width;
                    int block = inRow / blockSize;
                    int blockBytes = codeBytes.Length / rows / blocks;
                    int bits = 8 * blockBytes / blockSize;
                    int line = row + (i / width);
                    int zero = zeroBytes is null ? 1 << (bits - 1) : Code(zeroBytes, line * (zeroBytes.Length / rows), block, bits);
                    weights[i] = (Code(codeBytes, ((line * blocks) + block) * blockBytes, inRow % blockSize, bits) - zero)
                        * (double)BitConverter.ToSingle(scaleBytes, ((line * blocks) + block) * 4);
                }

                row += weights.Length / width;
            }
        }
    }

    private static int Code(byte[] bytes, int start, int index, int bits) =>
        bits == 8 ? bytes[start + index] : (bytes[start + (index / 2)] >> (4 * (index % 2))) & 15;

    private static int BlockSize(ModelProto model, string codes)
    {
        NodeProto node = model.Graph.Node.First(node => node.Input.Contains(codes));
        return (int)node.Attribute.Single(attribute => attribute.Name == "block_size").I;
    }

    private static string[] PartsOf(string name) => name switch
    {
        _ when name.EndsWith(".qkv_proj", StringComparison.Ordinal) =>
            [.. new[] { "q", "k", "v" }.Select(part => name.Replace(".qkv_proj", $".{part}_proj.weight", StringComparison.Ordinal))],
        _ when name.EndsWith(".gate_up_proj", StringComparison.Ordinal) =>
            [.. new[] { "gate", "up" }.Select(part => name.Replace(".gate_up_proj", $".{part}_proj.weight", StringComparison.Ordinal))],
        _ => [$"{name}.weight"],
    };

    private static byte[] Bytes(string folder, TensorProto tensor)
    {
        Assert.That(tensor.DataLocation, Is.EqualTo(TensorProto.Types.DataLocation.External));
        long offset = long.Parse(tensor.ExternalData.Single(entry => entry.Key == "offset").Value, System.Globalization.CultureInfo.InvariantCulture);
        byte[] bytes = new byte[long.Parse(
            tensor.ExternalData.Single(entry => entry.Key == "length").Value, System.Globalization.CultureInfo.InvariantCulture)];
        using FileStream file = File.OpenRead(Path.Combine(folder, "model.onnx.data"));
        file.Position = offset;
        file.ReadExactly(bytes);
        return bytes;
    }
}
