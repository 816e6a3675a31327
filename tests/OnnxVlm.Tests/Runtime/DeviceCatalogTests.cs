using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

internal sealed class DeviceCatalogTests
{
    [Test]
    public void MissingFor_Cpu_IsNothing() => Assert.That(DeviceCatalog.MissingFor(Device.Cpu), Is.Null);

    [Test]
    public void MissingFor_Auto_Throws() => Assert.That(() => DeviceCatalog.MissingFor(Device.Auto), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [TestCase(Device.Cuda)]
    [TestCase(Device.DirectMl)]
    public void MissingFor_DeviceThatIsNotThere_SaysWhatToInstallAndNamesNoScript(Device device)
    {
        string? missing = DeviceCatalog.MissingFor(device);

        Assert.That(missing, Is.Null.Or.Match("package|install|needs|update").And.Not.Contains("scripts/"));
    }

    [Test]
    public void Runtime_LibraryThatIsNotThere_NamesThePackageToAdd()
    {
        ModelLoadException? missing = NativeRuntime.TryLoad(typeof(NativeRuntime).Assembly, "onnxvlm-no-such-library");

        Assert.That(missing!.Message, Does.Contain("dotnet add package OnnxVlm.Cpu").And.Contain("OnnxVlm.Cuda").And.Contain("onnxvlm-no-such-library"));
    }

    [Test]
    public void Runtime_LibrariesThatAreThere_ArePresent()
    {
        Assert.That(NativeRuntime.MissingMessage, Is.Null);
        Assert.That(NativeRuntime.EnsurePresent, Throws.Nothing);
    }
}
