using System.Runtime.InteropServices;

namespace OnnxVlm.Tests.Runtime;

/// <summary>The runtime's telemetry is off before its native libraries are loaded.</summary>
internal sealed partial class RuntimeTelemetryTests
{
    private const string Variable = "ORT_DISABLE_TELEMETRY";

    [Test]
    public void Environment_OfTheProcess_TurnsTelemetryOff()
    {
        Assert.That(Nano.Model.Manifest.VocabularySize, Is.Positive);
        Assert.That(Environment.GetEnvironmentVariable(Variable), Is.Not.Null);
        if (!OperatingSystem.IsWindows())
            Assert.That(Marshal.PtrToStringUTF8(GetVariable(Variable)), Is.EqualTo(Environment.GetEnvironmentVariable(Variable)));
    }

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetVariable(string name);
}
