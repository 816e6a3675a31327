using OnnxVlm.Export.Quantization;

namespace OnnxVlm.Export.Tests.Quantization;

[TestFixture]
public sealed class BlockQuantizerTests
{
    [TestCase(32)]
    [TestCase(64)]
    [TestCase(128)]
    [TestCase(20)]
    public void Quantize_FourBits_NeverWorseThanPlainRounding(int length)
    {
        Random random = new(5);
        double searched = 0, naive = 0, energy = 0;
        float[] weights = new float[length], codes = new float[length];
        for (int block = 0; block < 2000; block++)
        {
            for (int i = 0; i < length; i++)
                weights[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()) * 0.02);
            double error = Error(weights, BlockQuantizer.Quantize(weights, 4, codes), codes);
            Assert.That(codes, Is.All.InRange(-8f, 7f));
            double plain = Error(weights, BlockQuantizer.QuantizeNaively(weights, codes), codes);
            Assert.That(error, Is.LessThanOrEqualTo(plain * 1.0001));
            searched += error;
            naive += plain;
            energy += weights.Sum(weight => (double)weight * weight);
        }

        TestContext.Out.WriteLine($"block {length}: relative error {Math.Sqrt(searched / energy):P2}, plain rounding {Math.Sqrt(naive / energy):P2}");
    }

    [TestCase(32, 0.0)]
    [TestCase(64, 0.0)]
    [TestCase(128, 0.0)]
    [TestCase(32, 0.02)]
    [TestCase(20, -0.05)]
    public void QuantizeAsymmetric_FourBits_StaysInRangeAndGainsWhereWeightsAreNotCentred(int length, double mean)
    {
        Random random = new(6);
        double asymmetric = 0, symmetric = 0, energy = 0;
        float[] weights = new float[length], codes = new float[length];
        for (int block = 0; block < 2000; block++)
        {
            for (int i = 0; i < length; i++)
                weights[i] = (float)(mean + (Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()) * 0.02));
            (float scale, int zero) = BlockQuantizer.QuantizeAsymmetric(weights, 4, codes);
            Assert.That(zero, Is.InRange(0, 15));
            Assert.That(codes, Is.All.InRange((float)-zero, 15f - zero));
            asymmetric += Error(weights, scale, codes);
            symmetric += Error(weights, BlockQuantizer.Quantize(weights, 4, codes), codes);
            energy += weights.Sum(weight => (double)weight * weight);
        }

        TestContext.Out.WriteLine(
            $"block {length}, mean {mean}: relative error {Math.Sqrt(asymmetric / energy):P2} with zero points, {Math.Sqrt(symmetric / energy):P2} without");
        Assert.That(asymmetric, Is.LessThan(symmetric));
    }

    [Test]
    public void QuantizeAsymmetric_EightBits_ReachesBothEnds()
    {
        float[] weights = [-0.3f, 0.1f, 0.9f, 0.0f], codes = new float[4];
        (float scale, int zero) = BlockQuantizer.QuantizeAsymmetric(weights, 8, codes);
        Assert.That(zero, Is.InRange(60, 68));
        for (int i = 0; i < weights.Length; i++)
            Assert.That(scale * codes[i], Is.EqualTo(weights[i]).Within(scale * 0.51));
    }

    [TestCase(4)]
    [TestCase(8)]
    public void QuantizeAsymmetric_ZeroBlock_IsZeroInTheMiddle(int bits)
    {
        float[] codes = [9, 9];
        Assert.That(BlockQuantizer.QuantizeAsymmetric([0, 0], bits, codes), Is.EqualTo((0f, 1 << (bits - 1))));
        Assert.That(codes, Is.All.Zero);
    }

    [Test]
    public void Quantize_EightBits_ErrsByHalfAStep()
    {
        float[] weights = [0.5f, -1.27f, 0.013f, 0.006f], codes = new float[4];
        float scale = BlockQuantizer.Quantize(weights, 8, codes);
        Assert.That(scale, Is.EqualTo(0.01f).Within(1e-7));
        Assert.That(codes, Is.EqualTo(new[] { 50f, -127f, 1f, 1f }));
    }

    [TestCase(4)]
    [TestCase(8)]
    public void Quantize_ZeroBlock_IsZero(int bits)
    {
        float[] codes = [9, 9];
        Assert.That(BlockQuantizer.Quantize([0, -0f], bits, codes), Is.Zero);
        Assert.That(codes, Is.All.Zero);
    }

    [TestCase(4)]
    [TestCase(8)]
    public void Quantize_OneWeight_IsExact(int bits)
    {
        float[] codes = new float[32], weights = new float[32];
        weights[7] = -3.7f;
        float scale = BlockQuantizer.Quantize(weights, bits, codes);
        Assert.That(scale * codes[7], Is.EqualTo(-3.7f).Within(1e-6));
    }

    private static double Error(float[] weights, float scale, float[] codes) => weights.Zip(codes, (w, q) => Math.Pow(w - ((double)scale * q), 2)).Sum();
}
