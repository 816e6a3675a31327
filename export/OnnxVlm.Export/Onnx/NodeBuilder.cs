using Google.Protobuf;
using OnnxVlm.Export.Onnx.Proto;
using AttributeType = OnnxVlm.Export.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace OnnxVlm.Export.Onnx;

/// <summary>A node that was just added: its attributes, then its outputs.</summary>
internal sealed class NodeBuilder(NodeProto node)
{
    public NodeBuilder Set(string name, long value)
    {
        node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeType.Int, I = value });
        return this;
    }

    public NodeBuilder Set(string name, float value)
    {
        node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeType.Float, F = value });
        return this;
    }

    public NodeBuilder Set(string name, string value)
    {
        node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeType.String, S = ByteString.CopyFromUtf8(value) });
        return this;
    }

    public NodeBuilder Set(string name, params ReadOnlySpan<long> values)
    {
        node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeType.Ints, Ints = { values.ToArray() } });
        return this;
    }

    public NodeBuilder Set(string name, GraphProto value)
    {
        node.Attribute.Add(new AttributeProto { Name = name, Type = AttributeType.Graph, G = value });
        return this;
    }

    /// <summary>The node's only output, or its next one.</summary>
    public Value Output(ElementType type)
    {
        string name = $"{node.Name}/{node.Output.Count}";
        node.Output.Add(name);
        return new Value(name, type);
    }

    /// <summary>An output with a given name: one of the graph's outputs.</summary>
    public Value Output(string name, ElementType type)
    {
        node.Output.Add(name);
        return new Value(name, type);
    }

    /// <summary>Skips an optional output.</summary>
    public NodeBuilder Skip(int count = 1)
    {
        for (int i = 0; i < count; i++)
            node.Output.Add("");
        return this;
    }
}
