using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;
using OnnxVlm.Export.Onnx.Proto;

namespace OnnxVlm.Export.Onnx;

/// <summary>
/// Builds one ONNX graph (IR 10, opset 21 or what <see cref="RequireOpset"/> asks for, com.microsoft 1). Small constants are in <c>model.onnx</c>.
/// Weights are declared here, with their place in <c>model.onnx.data</c>, and written later by their <see cref="WeightSource"/>. Every node and
/// initializer has a unique name: a duplicate throws. Not thread-safe.
/// </summary>
internal sealed class GraphBuilder
{
    public const string ModelFile = "model.onnx";
    public const string DataFile = "model.onnx.data";

    private const long IrVersion = 10;
    private const string Microsoft = "com.microsoft";

    /// <summary>Weights of a page or more start on a page, so that they can be mapped; smaller ones on a cache line.</summary>
    private const long PageBytes = 4096;
    private const long CacheLineBytes = 64;

    private readonly GraphProto _graph = new() { Name = "onnxvlm" };
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<WeightSource> _sources = [];
    private long _opset = 21;
    private Google.Protobuf.Collections.RepeatedField<NodeProto> _nodes;

    public GraphBuilder() => _nodes = _graph.Node;

    /// <summary>The sources that fill the data file.</summary>
    public IReadOnlyList<WeightSource> Sources => _sources;

    /// <summary>Size of the data file in bytes.</summary>
    public long DataBytes { get; private set; }

    /// <summary>Raises the version of the standard operators for a node that older versions do not have.</summary>
    public void RequireOpset(long version) => _opset = Math.Max(_opset, version);

    /// <summary>Adds a graph input.</summary>
    public Value Input(string name, ElementType type, params ReadOnlySpan<Dimension> shape)
    {
        Claim(name);
        _graph.Input.Add(Info(name, type, shape));
        return new Value(name, type);
    }

    /// <summary>Makes a value that a node produced under this name an output of the graph.</summary>
    public void Output(Value value, params ReadOnlySpan<Dimension> shape) => _graph.Output.Add(Info(value.Name, value.Type, shape));

    /// <summary>Adds a node of the standard operators; its name is <c>path/op</c>.</summary>
    public NodeBuilder Node(string op, string path, params ReadOnlySpan<Value> inputs) => Add(op, "", path, inputs);

    /// <summary>Adds a node of ONNX Runtime's fused operators (com.microsoft).</summary>
    public NodeBuilder Fused(string op, string path, params ReadOnlySpan<Value> inputs) => Add(op, Microsoft, path, inputs);

    /// <summary>Adds an <c>If</c> with one output; each branch is built by a function and can use every value built before.</summary>
    public Value If(string path, Value condition, ElementType type, Func<Value> then, Func<Value> otherwise)
    {
        GraphProto thenBranch = Branch($"{path}/then", then);
        GraphProto elseBranch = Branch($"{path}/else", otherwise);
        return Node("If", path, condition).Set("then_branch", thenBranch).Set("else_branch", elseBranch).Output(type);
    }

    /// <summary>
    /// Adds a <c>Loop</c> that runs a number of times and passes one value on; its body is built by a function and can use every value built before.
    /// </summary>
    /// <param name="path">Name of the node.</param>
    /// <param name="count">The number of iterations, int64 scalar.</param>
    /// <param name="start">The value before the first iteration.</param>
    /// <param name="body">From the index of the iteration, int64 scalar, and the value before it to the value after it; shapes may differ.</param>
    public Value Loop(string path, Value count, Value start, Func<Value, Value, Value> body)
    {
        GraphProto graph = new() { Name = $"{path}/body" };
        Value number = BodyInput(graph, $"{path}/number", ElementType.Int64, isScalar: true);
        Value goesOn = BodyInput(graph, $"{path}/goes_on", ElementType.Bool, isScalar: true);
        Value before = BodyInput(graph, $"{path}/before", start.Type, isScalar: false);
        Build(graph, () =>
        {
            graph.Output.Add(Scalar(Node("Identity", path, goesOn).Output(ElementType.Bool)));
            return body(number, before);
        });
        return Node("Loop", path, count, Value.None, start).Set("body", graph).Output(start.Type);
    }

    /// <summary>Adds a <c>Scan</c> over the second axis of sequences; its body is built by a function and can use every value built before.</summary>
    /// <param name="path">Name of the node.</param>
    /// <param name="start">The state before the first step.</param>
    /// <param name="sequences">[B, S, …], the same S.</param>
    /// <param name="body">From the state and the step's item of each sequence, [B, …], to the next state and the step's result.</param>
    /// <returns>The state after the last step, and the results, [B, S, …].</returns>
    public (Value State, Value Results) Scan(string path, Value start, Value[] sequences, Func<Value, Value[], (Value State, Value Result)> body)
    {
        GraphProto graph = new() { Name = $"{path}/body" };
        Value before = BodyInput(graph, $"{path}/before", start.Type, isScalar: false);
        Value[] items = [.. sequences.Select((sequence, i) => BodyInput(graph, $"{path}/item_{i}", sequence.Type, isScalar: false))];
        Value result = default!;
        Build(graph, () =>
        {
            (Value after, result) = body(before, items);
            return after;
        });
        graph.Output.Add(Info(result.Name, result.Type, shape: []));
        NodeBuilder scan = Node("Scan", path, [start, .. sequences]).Set("body", graph).Set("num_scan_inputs", sequences.Length);
        scan.Set("scan_input_axes", [.. Enumerable.Repeat(1L, sequences.Length)]).Set("scan_output_axes", [1L]);
        return (scan.Output(start.Type), scan.Output(result.Type));
    }

    /// <summary>The same numbers in another element type.</summary>
    public Value Cast(string path, Value x, ElementType type) => Node("Cast", path, x).Set("to", (long)type).Output(type);

    /// <summary>A small int64 constant, <c>[n]</c>; the same numbers give the same constant.</summary>
    public Value Constant(params ReadOnlySpan<long> numbers) =>
        Inline($"constant/{string.Join('_', numbers.ToArray())}", ElementType.Int64, [numbers.Length], MemoryMarshal.AsBytes(numbers));

    /// <summary>A scalar int64 constant.</summary>
    public Value Scalar(long number) => Inline($"scalar/{number}", ElementType.Int64, [], MemoryMarshal.AsBytes(new ReadOnlySpan<long>(in number)));

    /// <summary>A float scalar, 32 or 16 bits wide.</summary>
    public Value Scalar(float number, ElementType type)
    {
        byte[] bytes = type == ElementType.Float16 ? BitConverter.GetBytes((Half)number) : BitConverter.GetBytes(number);
        return Inline(string.Create(CultureInfo.InvariantCulture, $"scalar/{type}/{number}"), type, [], bytes);
    }

    /// <summary>A small constant of 32-bit floats that lies in <c>model.onnx</c>, unlike a weight.</summary>
    public Value Numbers(string name, ReadOnlySpan<float> numbers, params ReadOnlySpan<long> shape) => Inline(name, ElementType.Float32, shape, MemoryMarshal.AsBytes(numbers));

    /// <summary>Declares a weight and gives it its place in the data file.</summary>
    public Initializer Declare(string name, ElementType type, params ReadOnlySpan<long> shape)
    {
        long sizeBytes = SizeBytes(type, shape);
        long alignment = sizeBytes >= PageBytes ? PageBytes : CacheLineBytes;
        long offset = checked((DataBytes + alignment - 1) / alignment * alignment);
        DataBytes = checked(offset + sizeBytes);
        return Place(name, type, shape, offset, sizeBytes);
    }

    /// <summary>Declares a weight that has the bytes of another one, in another shape: a quantized embedding that is also the head.</summary>
    public Initializer DeclareAlias(string name, Initializer original, params ReadOnlySpan<long> shape)
    {
        if (SizeBytes(original.Type, shape) != original.SizeBytes)
            throw new InvalidOperationException($"{name}: expected {original.SizeBytes} bytes, as {original.Name} has.");
        return Place(name, original.Type, shape, original.Offset, original.SizeBytes);
    }

    /// <summary>Sets the source of a declared weight.</summary>
    public void Fill(WeightSource source) => _sources.Add(source);

    /// <summary>Declares and fills a weight whose numbers are known already.</summary>
    public Value Weight(string name, ReadOnlySpan<float> numbers, ElementType type, params ReadOnlySpan<long> shape)
    {
        Initializer initializer = Declare(name, type, shape);
        Fill(new MemoryWeights(initializer, MemoryWeights.Encode(name, numbers, type)));
        return initializer.Value;
    }

    /// <summary>Writes <c>model.onnx</c>, without the weights.</summary>
    public void Save(string path, string producerVersion)
    {
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None);
        Model(producerVersion).WriteTo(file);
    }

    /// <summary>The bytes of <c>model.onnx</c>.</summary>
    public byte[] Serialize(string producerVersion) => Model(producerVersion).ToByteArray();

    private ModelProto Model(string producerVersion) => new()
    {
        IrVersion = IrVersion,
        ProducerName = "OnnxVlm",
        ProducerVersion = producerVersion,
        Graph = _graph,
        OpsetImport = { new OperatorSetIdProto { Domain = "", Version = _opset }, new OperatorSetIdProto { Domain = Microsoft, Version = 1 } },
    };

    private NodeBuilder Add(string op, string domain, string path, ReadOnlySpan<Value> inputs)
    {
        string name = $"{path}/{op}";
        Claim(name);
        NodeProto node = new() { Name = name, OpType = op };
        if (domain.Length > 0)
            node.Domain = domain;
        foreach (Value input in inputs)
            node.Input.Add(input.Name);
        _nodes.Add(node);
        return new NodeBuilder(node);
    }

    private GraphProto Branch(string name, Func<Value> build)
    {
        GraphProto branch = new() { Name = name };
        Build(branch, build);
        return branch;
    }

    /// <summary>Fills a nested graph; what the function returns is its last output.</summary>
    private void Build(GraphProto graph, Func<Value> build)
    {
        Google.Protobuf.Collections.RepeatedField<NodeProto> outer = _nodes;
        _nodes = graph.Node;
        Value result = build();
        _nodes = outer;
        graph.Output.Add(Info(result.Name, result.Type, shape: []));
    }

    private Value BodyInput(GraphProto body, string name, ElementType type, bool isScalar)
    {
        Claim(name);
        Value value = new(name, type);
        body.Input.Add(isScalar ? Scalar(value) : Info(name, type, shape: []));
        return value;
    }

    private static ValueInfoProto Scalar(Value value)
    {
        ValueInfoProto info = Info(value.Name, value.Type, shape: []);
        info.Type.TensorType.Shape = new TensorShapeProto();
        return info;
    }

    private Value Inline(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlySpan<byte> bytes)
    {
        if (_names.Add(name))
            _graph.Initializer.Add(new TensorProto { Name = name, DataType = (int)type, Dims = { shape.ToArray() }, RawData = ByteString.CopyFrom(bytes) });
        return new Value(name, type);
    }

    private Initializer Place(string name, ElementType type, ReadOnlySpan<long> shape, long offset, long sizeBytes)
    {
        Claim(name);
        _graph.Initializer.Add(new TensorProto
        {
            Name = name,
            DataType = (int)type,
            Dims = { shape.ToArray() },
            DataLocation = TensorProto.Types.DataLocation.External,
            ExternalData =
            {
                new StringStringEntryProto { Key = "location", Value = DataFile },
                new StringStringEntryProto { Key = "offset", Value = offset.ToString(CultureInfo.InvariantCulture) },
                new StringStringEntryProto { Key = "length", Value = sizeBytes.ToString(CultureInfo.InvariantCulture) },
            },
        });
        return new Initializer(name, type, shape.ToArray(), offset, sizeBytes);
    }

    private void Claim(string name)
    {
        if (!_names.Add(name))
            throw new InvalidOperationException($"The graph has a node, input or initializer called {name} already; give each its own name.");
    }

    private static ValueInfoProto Info(string name, ElementType type, ReadOnlySpan<Dimension> shape)
    {
        TypeProto.Types.Tensor tensor = new() { ElemType = (int)type };
        if (shape.Length > 0)
        {
            tensor.Shape = new TensorShapeProto();
            foreach (Dimension side in shape)
            {
                tensor.Shape.Dim.Add(side.Name is string text
                    ? new TensorShapeProto.Types.Dimension { DimParam = text }
                    : new TensorShapeProto.Types.Dimension { DimValue = side.Size });
            }
        }

        return new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = tensor } };
    }

    private static long SizeBytes(ElementType type, ReadOnlySpan<long> shape)
    {
        long size = type switch
        {
            ElementType.Int64 => 8,
            ElementType.Float32 or ElementType.Int32 => 4,
            ElementType.Float16 => 2,
            _ => 1,
        };
        foreach (long side in shape)
            size = checked(size * side);
        return size;
    }
}
