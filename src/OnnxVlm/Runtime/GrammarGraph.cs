using System.Buffers.Binary;
using System.Text;

namespace OnnxVlm.Runtime;

/// <summary>
/// The graph of a model that predicts nothing: int64 [batch, length] to float [batch, length, vocabulary], all zero. It is written as protobuf by
/// hand, since it has only about 200 bytes; the field numbers are those of onnx.proto.
/// </summary>
internal static class GrammarGraph
{
    public const string Input = "input_ids";
    public const string Output = "logits";

    private const int Int64 = 7;
    private const int Float = 1;
    private const int IntAttribute = 2;

    /// <summary>Writes the graph.</summary>
    /// <param name="width">Width of the logits.</param>
    public static byte[] Create(int width)
    {
        byte[] value = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(value, width);
        byte[] axis = [.. Text(1, "axis"), .. Number(3, 0), .. Number(20, IntAttribute)];
        byte[] graph =
        [
            .. Message(1, [.. Text(1, Input), .. Text(2, "shape"), .. Text(4, "Shape")]),
            .. Message(1, [.. Text(1, "shape"), .. Text(1, "width"), .. Text(2, "logits_shape"), .. Text(4, "Concat"), .. Message(5, axis)]),
            .. Message(1, [.. Text(1, "logits_shape"), .. Text(2, Output), .. Text(4, "ConstantOfShape")]),
            .. Text(2, "grammar"),
            .. Message(5, [.. Number(1, 1), .. Number(2, Int64), .. Text(8, "width"), .. Message(9, value)]),
            .. Message(11, Tensor(Input, Int64, Text(2, "batch"), Text(2, "length"))),
            .. Message(12, Tensor(Output, Float, Text(2, "batch"), Text(2, "length"), Number(1, width))),
        ];
        return [.. Number(1, 10), .. Message(7, graph), .. Message(8, [.. Text(1, ""), .. Number(2, 21)])];
    }

    /// <summary>ValueInfoProto { name, type { tensor_type { elem_type, shape { dim } } } }.</summary>
    private static byte[] Tensor(string name, int elementType, params byte[][] dimensions)
    {
        byte[] shape = [.. dimensions.SelectMany(dimension => Message(1, dimension))];
        return [.. Text(1, name), .. Message(2, Message(1, [.. Number(1, elementType), .. Message(2, shape)]))];
    }

    private static byte[] Text(int field, string text) => Message(field, Encoding.UTF8.GetBytes(text));

    private static byte[] Message(int field, byte[] content) => [.. Varint(field << 3 | 2), .. Varint(content.Length), .. content];

    private static byte[] Number(int field, int value) => [.. Varint(field << 3), .. Varint(value)];

    private static byte[] Varint(int value) => value < 0x80 ? [(byte)value] : [(byte)(value | 0x80), .. Varint(value >> 7)];
}
