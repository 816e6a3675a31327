using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Blocks;

/// <summary>
/// The hidden states [B, S, H]. Every layer reads them through a norm and adds its branch to them. An addition waits for the norm that follows it, so
/// that the two become one fused node.
/// </summary>
internal sealed class ResidualStream(ModelGraph model, Value start, int width)
{
    private Value _stream = start;
    private Value? _branch;

    /// <summary>stream += branch.</summary>
    public void Add(Value branch)
    {
        if (_branch is not null)
            throw new InvalidOperationException("Two branches without a norm between them.");
        _branch = branch;
    }

    /// <summary>y = stream / sqrt(mean(stream²) + epsilon) · weight, over the last axis (Zhang and Sennrich, 2019).</summary>
    /// <param name="key">The checkpoint's key of the norm, without <c>.weight</c>.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="isAroundZero">Whether the checkpoint stores the weights minus one.</param>
    /// <returns>[B, S, H].</returns>
    public Value RmsNorm(string key, float epsilon, bool isAroundZero = false)
    {
        Value weight = isAroundZero ? model.OneMore($"{key}.weight", width) : model.Vector($"{key}.weight", model.Type, width);
        if (_branch is not Value branch)
            return model.RmsNorm(key, _stream, weight, epsilon);

        NodeBuilder norm = model.Graph.Fused("SkipSimplifiedLayerNormalization", key, _stream, branch, weight).Set("epsilon", epsilon);
        Value y = norm.Output(model.Type);
        _stream = norm.Skip(2).Output(model.Type);
        _branch = null;
        return y;
    }

    /// <summary>y = (stream − mean(stream)) / sqrt(variance(stream) + epsilon) · weight + bias, over the last axis (Ba et al., 2016).</summary>
    /// <param name="key">The checkpoint's key of the norm, without <c>.weight</c> and <c>.bias</c>.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <returns>[B, S, H].</returns>
    public Value LayerNorm(string key, float epsilon)
    {
        Value weight = model.Vector($"{key}.weight", model.Type, width), bias = model.Vector($"{key}.bias", model.Type, width);
        if (_branch is not Value branch)
            return model.Graph.Node("LayerNormalization", key, _stream, weight, bias).Set("axis", -1).Set("epsilon", epsilon).Output(model.Type);

        NodeBuilder norm = model.Graph.Fused("SkipLayerNormalization", key, _stream, branch, weight, bias).Set("epsilon", epsilon);
        Value y = norm.Output(model.Type);
        _stream = norm.Skip(2).Output(model.Type);
        _branch = null;
        return y;
    }

    /// <summary>stream *= factor.</summary>
    /// <param name="path">Name of the nodes.</param>
    /// <param name="factor">[1].</param>
    public void Scale(string path, Value factor)
    {
        if (_branch is Value branch)
            _stream = model.Graph.Node("Add", path, _stream, branch).Output(model.Type);
        _stream = model.Graph.Node("Mul", path, _stream, factor).Output(model.Type);
        _branch = null;
    }

    /// <summary>Drops all rows but the last: nothing after the last attention needs them.</summary>
    public void KeepLastToken(string path)
    {
        _stream = model.LastToken($"{path}.stream", _stream);
        if (_branch is Value branch)
            _branch = model.LastToken($"{path}.branch", branch);
    }
}
