using System.Globalization;
using Google.Protobuf;
using OnnxVlm.Export.Blocks;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Onnx.Proto;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Inspection;

/// <summary>Reads <c>model.onnx</c> of a model folder without loading the model. Thread-safe.</summary>
public static class ModelInspector
{
    internal const string RotaryTables = "rotary tables";
    internal const string TiedHead = "head, tied";
    private const string PatchProjection = "patch projection";
    private const string VisionTransformer = "vision transformer";

    // Inputs of MatMulNBits.
    private const int ScalesInput = 2;
    private const int BiasInput = 5;

    /// <summary>Summarizes a graph.</summary>
    /// <param name="folder">The model folder.</param>
    /// <exception cref="ArgumentException"><paramref name="folder"/> is null or empty.</exception>
    /// <exception cref="ModelLoadException"><c>model.onnx</c> is missing, or is not a graph.</exception>
    public static ModelSummary Inspect(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string path = Path.Combine(folder, GraphBuilder.ModelFile);
        GraphProto graph = Load(path);
        Dictionary<string, TensorProto> initializers = graph.Initializer.Where(tensor => tensor.DataLocation == TensorProto.Types.DataLocation.External)
            .ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        List<(NodeProto Node, bool EveryToken)> nodes =
            [.. graph.Node.Select(node => (node, true)), .. graph.Node.SelectMany(InnerNodes).Select(node => (node, false))];

        Dictionary<(string, string), WeightGroup> groups = [];
        HashSet<long> counted = [];
        long bytesPerToken = 0;
        foreach ((NodeProto node, bool everyToken) in nodes)
        {
            TensorProto[] weights = [.. node.Input.Where(initializers.ContainsKey).Select(name => initializers[name])];

            // A tied head shares the embedding's bytes: as weights it is counted once, but it is read for each token.
            if (everyToken && node.OpType is not ("Gather" or "GatherBlockQuantized" or "GroupQueryAttention" or "RotaryEmbedding"))
                bytesPerToken += weights.Sum(SizeBytes);
            TensorProto[] first = [.. weights.Where(tensor => counted.Add(Offset(tensor)))];
            if (first.Length == 0)
                continue;
            (string, string) key = (LayerOf(node, everyToken), StorageOf(node, first[0]));
            WeightGroup group = groups.GetValueOrDefault(key) ?? new WeightGroup(key.Item1, key.Item2, 0, 0, 0);
            groups[key] = group with
            {
                Tensors = group.Tensors + 1,
                Numbers = group.Numbers + Numbers(node, first),
                SizeBytes = group.SizeBytes + first.Sum(SizeBytes),
            };
        }

        return new ModelSummary
        {
            Weights = [.. groups.Values.OrderByDescending(group => group.SizeBytes)],
            FusedOperators = nodes.Where(item => item.Node.Domain.Length > 0).GroupBy(item => item.Node.OpType, StringComparer.Ordinal)
                .OrderBy(group => group.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Count(), StringComparer.Ordinal),
            StandardNodes = nodes.Count(item => item.Node.Domain.Length == 0),
            Inputs = [.. graph.Input.Where(value => !IsCache(value.Name)).Select(Describe)],
            Outputs = [.. graph.Output.Where(value => !IsCache(value.Name)).Select(Describe)],
            Cache = new CacheSize
            {
                TokenBytes = graph.Input.Where(value => IsCache(value.Name) && !IsState(value.Name) && !HasWindow(value)).Sum(CacheBytes),
                WindowTokenBytes = graph.Input.Where(HasWindow).Sum(CacheBytes),
                WindowTokens = CacheSize.WindowTokensOf(WindowOf(graph)),
                StateBytes = graph.Input.Where(value => IsState(value.Name)).Sum(StateBytes),
            },
            WeightBytesPerToken = bytesPerToken,
            BlockSumBytesPerToken = nodes.Where(item => item.EveryToken && item.Node.OpType == "MatMulNBits").Sum(
                item => Product(initializers[item.Node.Input[ScalesInput]]) * sizeof(float)),
        };
    }

    private static GraphProto Load(string path)
    {
        try
        {
            return ModelProto.Parser.ParseFrom(File.ReadAllBytes(path)).Graph
                ?? throw new ModelLoadException($"{path}: expected a graph, found none; export the model again");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidProtocolBufferException)
        {
            throw new ModelLoadException($"{path}: cannot be read as a graph ({exception.Message}); export the model again", exception);
        }
    }

    /// <summary>The nodes of a node's branches and bodies, at any depth.</summary>
    private static IEnumerable<NodeProto> InnerNodes(NodeProto node) =>
        node.Attribute.Where(attribute => attribute.G is not null).SelectMany(attribute => attribute.G.Node)
            .SelectMany(inner => InnerNodes(inner).Prepend(inner));

    private static string LayerOf(NodeProto node, bool everyToken) => node switch
    {
        _ when !everyToken => node.Name.Contains("visual.", StringComparison.Ordinal) ? VisionTransformer : PatchProjection,
        { OpType: "Gather" or "GatherBlockQuantized" } => "embedding",
        { OpType: "GroupQueryAttention" or "RotaryEmbedding" } => RotaryTables,
        _ when node.OpType.Contains("LayerNorm", StringComparison.Ordinal) => "norm",
        _ when node.Input.Any(name => name.StartsWith(EmbeddingMatrix.TiedHeadPath, StringComparison.Ordinal)) => TiedHead,
        _ when node.Name.StartsWith("lm_head", StringComparison.Ordinal) => "head",
        _ when node.Name.Contains("self_attn", StringComparison.Ordinal) => "attention",
        _ when node.Name.Contains("linear_attn", StringComparison.Ordinal) => "linear attention",
        _ when node.Name.Contains(".mlp", StringComparison.Ordinal) => "feed-forward",
        _ => "other",
    };

    private static string StorageOf(NodeProto node, TensorProto first)
    {
        if (node.OpType is not ("MatMulNBits" or "GatherBlockQuantized"))
            return TypeName(first.DataType);
        string zeros = node.OpType == "MatMulNBits" && node.Input.Count > 3 ? ", zero points" : "";
        return string.Create(CultureInfo.InvariantCulture, $"int{Attribute(node, "bits")}, block {Attribute(node, "block_size")}{zeros}");
    }

    private static long Numbers(NodeProto node, TensorProto[] weights) => node.OpType switch
    {
        "MatMulNBits" => (Attribute(node, "K") * Attribute(node, "N")) + weights.Where(tensor => node.Input.IndexOf(tensor.Name) == BiasInput).Sum(Product),
        "GatherBlockQuantized" => Product(weights[0]) * 8 / Attribute(node, "bits"),
        _ => weights.Sum(Product),
    };

    private static long Attribute(NodeProto node, string name) => node.Attribute.First(attribute => attribute.Name == name).I;

    private static long Product(TensorProto tensor) => tensor.Dims.Aggregate(1L, (product, side) => product * side);

    private static long SizeBytes(TensorProto tensor) => long.Parse(External(tensor, "length"), CultureInfo.InvariantCulture);

    private static long Offset(TensorProto tensor) => long.Parse(External(tensor, "offset"), CultureInfo.InvariantCulture);

    private static string External(TensorProto tensor, string key) => tensor.ExternalData.First(entry => entry.Key == key).Value;

    private static bool IsCache(string name) =>
        name.StartsWith("past_key_values.", StringComparison.Ordinal) || name.StartsWith("present.", StringComparison.Ordinal);

    /// <summary>The state of a recurrent layer, which has a fixed size.</summary>
    private static bool IsState(string name) => IsCache(name) && name.EndsWith("_state", StringComparison.Ordinal);

    /// <summary>Whether the cache of a layer may lack the first tokens.</summary>
    private static bool HasWindow(ValueInfoProto value) =>
        IsCache(value.Name) && value.Type.TensorType.Shape.Dim is [_, _, { DimParam: Attention.WindowPast }, ..];

    /// <summary>Tokens that a layer sees whose cache may lack the first ones; null where there is none.</summary>
    private static int? WindowOf(GraphProto graph) =>
        graph.Input.FirstOrDefault(HasWindow) is { } cache
            ? (int)Attribute(graph.Node.First(node => node.Input.Contains(cache.Name)), "local_window_size")
            : null;

    private static long StateBytes(ValueInfoProto value) =>
        value.Type.TensorType.Shape.Dim.Skip(1).Aggregate((long)sizeof(float), (product, side) => product * side.DimValue);

    private static long CacheBytes(ValueInfoProto value)
    {
        TypeProto.Types.Tensor tensor = value.Type.TensorType;
        return tensor.Shape.Dim[1].DimValue * tensor.Shape.Dim[3].DimValue * (ElementType)tensor.ElemType switch { ElementType.Int8 => 1, ElementType.Float16 => 2, _ => 4 };
    }

    private static GraphValue Describe(ValueInfoProto value)
    {
        TypeProto.Types.Tensor tensor = value.Type.TensorType;
        IEnumerable<string> sides = tensor.Shape.Dim.Select(
            side => side.DimParam.Length > 0 ? side.DimParam : side.DimValue.ToString(CultureInfo.InvariantCulture));
        return new GraphValue(value.Name, $"{TypeName(tensor.ElemType)} [{string.Join(", ", sides)}]");
    }

    private static string TypeName(int type) => (ElementType)type switch
    {
        ElementType.Float32 => "fp32",
        ElementType.Float16 => "fp16",
        ElementType other => other.ToString().ToLowerInvariant(),
    };
}
