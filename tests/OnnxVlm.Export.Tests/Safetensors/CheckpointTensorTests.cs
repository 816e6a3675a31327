using OnnxVlm.Export.Safetensors;
using OnnxVlm.Export.Tests.Support;

namespace OnnxVlm.Export.Tests.Safetensors;

[TestFixture]
public sealed class CheckpointTensorTests
{
    [TestCase("F32")]
    [TestCase("F16")]
    [TestCase("BF16")]
    public void Read_AnyRange_GivesTheNumbersOnDisk(string dtype)
    {
        using TemporaryFolder folder = new();
        Random random = new(3);
        float[] numbers = [.. Enumerable.Range(0, 5 * 37).Select(_ => SafetensorsWriter.RoundTo(dtype, (float)((random.NextDouble() - 0.5) * 100)))];
        SafetensorsWriter.Write(folder["model.safetensors"], dtype, ("before", [3], [1, 2, 3]), ("w", [5, 37], numbers));
        using var checkpoint = Checkpoint.Open(folder.Path);
        CheckpointTensor tensor = checkpoint.Take("w", 5, 37);
        for (int start = 0; start < numbers.Length; start += 23)
        {
            float[] read = new float[Math.Min(61, numbers.Length - start)];
            tensor.Read(start, read);
            Assert.That(read, Is.EqualTo(numbers[start..(start + read.Length)]));
        }

        Assert.That(() => tensor.Read(numbers.Length - 1, new float[2]), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Rows_OfStackedMatrices_CrossTheirBorders()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder["model.safetensors"], "F32", ("a", [2, 2], [0, 1, 2, 3]), ("b", [1, 2], [4, 5]), ("c", [3, 2], [6, 7, 8, 9, 10, 11]));
        using var checkpoint = Checkpoint.Open(folder.Path);
        StackedMatrix rows = new(checkpoint.Take("a", 2, 2), checkpoint.Take("b", 1, 2), checkpoint.Take("c", 3, 2));
        Assert.That(rows.Count, Is.EqualTo(6));
        for (int first = 0; first < 6; first++)
        {
            for (int count = 1; count <= 6 - first; count++)
            {
                float[] read = new float[count * 2];
                rows.Read(first, read);
                Assert.That(read, Is.EqualTo(Enumerable.Range(first * 2, count * 2)));
            }
        }
    }

    [Test]
    public void Open_ReadTensors_LeavesNothingMapped()
    {
        using TemporaryFolder folder = new();
        SafetensorsWriter.Write(folder["model.safetensors"], "F32", ("a", [1], [7]));
        using (var checkpoint = Checkpoint.Open(folder.Path))
            Assert.That(checkpoint.Parameters, Is.EqualTo(1));
        Assert.That(() => File.Open(folder["model.safetensors"], FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose(), Throws.Nothing);
    }
}
