using OnnxVlm.Export.Onnx;

namespace OnnxVlm.Export.Tests.Onnx;

[TestFixture]
public sealed class GraphBuilderTests
{
    [Test]
    public void Node_NameUsedTwice_Throws()
    {
        GraphBuilder graph = new();
        Value x = graph.Input("x", ElementType.Float32, 1);
        graph.Node("Neg", "layer", x).Output(ElementType.Float32);
        Assert.That(() => graph.Node("Neg", "layer", x), Throws.InvalidOperationException.With.Message.Contains("layer/Neg"));
    }

    [Test]
    public void Declare_NameUsedTwice_Throws()
    {
        GraphBuilder graph = new();
        graph.Declare("w", ElementType.Float32, 4, 4);
        Assert.That(() => graph.Declare("w", ElementType.Float32, 4, 4), Throws.InvalidOperationException.With.Message.Contains("called w already"));
        Assert.That(() => graph.Input("w", ElementType.Float32, 4), Throws.InvalidOperationException);
    }

    [Test]
    public void If_NodeNameOfOuterGraph_Throws()
    {
        GraphBuilder graph = new();
        Value x = graph.Input("x", ElementType.Bool, 1);
        graph.Node("Identity", "a", x).Output(ElementType.Bool);
        Assert.That(() => graph.If("if", x, ElementType.Bool, () => graph.Node("Identity", "a", x).Output(ElementType.Bool), () => x),
            Throws.InvalidOperationException);
    }

    [Test]
    public void Declare_LargeWeights_StartOnPages()
    {
        GraphBuilder graph = new();
        Initializer small = graph.Declare("small", ElementType.Float32, 3);
        Initializer large = graph.Declare("large", ElementType.Float32, 64, 64);
        Initializer next = graph.Declare("next", ElementType.UInt8, 5);
        Assert.Multiple(() =>
        {
            Assert.That((small.Offset, small.SizeBytes), Is.EqualTo((0, 12)));
            Assert.That((large.Offset, large.SizeBytes), Is.EqualTo((4096, 16384)));
            Assert.That((next.Offset, next.SizeBytes), Is.EqualTo((20480, 5)));
            Assert.That(graph.DataBytes, Is.EqualTo(20485));
        });
    }

    [Test]
    public void DeclareAlias_OtherSize_Throws()
    {
        GraphBuilder graph = new();
        Initializer original = graph.Declare("w", ElementType.UInt8, 4, 2, 16);
        Assert.That(graph.DeclareAlias("flat", original, 4, 32).Offset, Is.EqualTo(original.Offset));
        Assert.That(() => graph.DeclareAlias("other", original, 4, 31), Throws.InvalidOperationException);
    }

    [Test]
    public void Constant_SameNumbers_SharesOne()
    {
        GraphBuilder graph = new();
        Value first = graph.Constant(1, 2);
        Assert.That(graph.Constant(1, 2), Is.EqualTo(first));
        Assert.That(graph.Constant(1), Is.Not.EqualTo(graph.Scalar(1)));
    }
}
