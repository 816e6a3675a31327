using System.Text;

namespace OnnxVlm.Runtime;

/// <summary>
/// ONNX models of one node with one uint8 input and one uint8 output. They are written as protobuf by hand, since they have only about 150 bytes; the
/// field numbers are those of onnx.proto.
/// </summary>
internal static class OneNodeModel
{
    private const int UInt8 = 2;

    /// <summary><c>Identity</c>: the smallest graph that a session accepts.</summary>
    public static byte[] Identity() => Model([.. Text(1, "x"), .. Text(2, "y"), .. Text(4, "Identity")], Tensor("x", "n"), Tensor("y", "n"));

    private static byte[] Model(byte[] node, byte[] input, byte[] output)
    {
        byte[] graph = [.. Message(1, node), .. Text(2, "one_node"), .. Message(11, input), .. Message(12, output)];
        byte[] onnx = [.. Text(1, ""), .. Number(2, 21)];
        return [.. Number(1, 10), .. Message(7, graph), .. Message(8, onnx)];
    }

    /// <summary>ValueInfoProto { name, type { tensor_type { elem_type, shape { dim { dim_param } } } } }.</summary>
    private static byte[] Tensor(string name, params string[] dimensions)
    {
        byte[] shape = [.. dimensions.SelectMany(d => Message(1, Text(2, d)))];
        byte[] tensor = [.. Number(1, UInt8), .. Message(2, shape)];
        return [.. Text(1, name), .. Message(2, Message(1, tensor))];
    }

    private static byte[] Text(int field, string text) => Message(field, Encoding.UTF8.GetBytes(text));

    private static byte[] Message(int field, byte[] content) => [.. Varint(field << 3 | 2), .. Varint(content.Length), .. content];

    private static byte[] Number(int field, int value) => [.. Varint(field << 3), .. Varint(value)];

    private static byte[] Varint(int value) => value < 0x80 ? [(byte)value] : [(byte)(value | 0x80), .. Varint(value >> 7)];
}
