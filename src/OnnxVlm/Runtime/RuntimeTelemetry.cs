using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace OnnxVlm.Runtime;

/// <summary>
/// Keeps ONNX Runtime and GenAI from collecting telemetry and from writing a database for it into the user's folder. Both do so unless the environment
/// says otherwise when they are loaded. A user who sets <c>ORT_DISABLE_TELEMETRY</c> decides.
/// </summary>
internal static partial class RuntimeTelemetry
{
    private const string Variable = "ORT_DISABLE_TELEMETRY";

    // Only a module's initializer is early enough: the native libraries read the variable when they are loaded.
#pragma warning disable CA2255
    [ModuleInitializer]
    internal static void TurnOff()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not null)
            return;
        Environment.SetEnvironmentVariable(Variable, "1");

        // Except on Windows, .NET changes a copy of the environment, which native code does not see.
        if (!OperatingSystem.IsWindows())
            _ = SetVariable(Variable, "1", overwrite: 0);
    }
#pragma warning restore CA2255

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
