using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace OnnxVlm.Export.Tests.Support;

/// <summary>Writes safetensors files, valid ones and, through <see cref="WriteRaw"/>, damaged ones.</summary>
internal static class SafetensorsWriter
{
    public static void Write(string path, string dtype, params ReadOnlySpan<(string Name, long[] Shape, float[] Numbers)> tensors)
    {
        JsonObject header = new() { ["__metadata__"] = new JsonObject { ["format"] = "pt" } };
        MemoryStream data = new();
        foreach ((string name, long[] shape, float[] numbers) in tensors)
        {
            long begin = data.Length;
            foreach (float number in numbers)
                data.Write(Encode(dtype, number));
            header[name] = Entry(dtype, shape, begin, data.Length);
        }

        WriteRaw(path, header.ToJsonString(), data.ToArray());
    }

    /// <summary>Writes one file, or several with their index.</summary>
    public static void WriteShards(string folder, string dtype, int shards, (string Name, long[] Shape, float[] Numbers)[] tensors)
    {
        JsonObject map = [];
        foreach ((int index, (string Name, long[] Shape, float[] Numbers)[] part) in tensors.Chunk((tensors.Length + shards - 1) / shards).Index())
        {
            string name = shards == 1 ? "model.safetensors" : $"model-{index + 1:D5}-of-{shards:D5}.safetensors";
            Write(Path.Combine(folder, name), dtype, part);
            foreach ((string tensor, _, _) in part)
                map[tensor] = name;
        }

        if (shards > 1)
            File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"),
                new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString());
    }

    public static JsonObject Entry(string dtype, long[] shape, long begin, long end) => new()
    {
        ["dtype"] = dtype,
        ["shape"] = new JsonArray([.. shape.Select(side => (JsonNode)side)]),
        ["data_offsets"] = new JsonArray(begin, end),
    };

    public static void WriteRaw(string path, string header, byte[] data, long? headerBytes = null)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, headerBytes ?? text.Length);
        File.WriteAllBytes(path, [.. length, .. text, .. data]);
    }

    public static float RoundTo(string dtype, float number) => dtype switch
    {
        "F16" => (float)(Half)number,
        "BF16" => BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(number) + 0x8000) & 0xFFFF0000),
        _ => number,
    };

    private static byte[] Encode(string dtype, float number) => dtype switch
    {
        "F16" => BitConverter.GetBytes((Half)number),
        "BF16" => BitConverter.GetBytes((ushort)(BitConverter.SingleToUInt32Bits(number) >> 16)),
        _ => BitConverter.GetBytes(number),
    };
}
