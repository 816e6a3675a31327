using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace OnnxVlm.Runtime;

/// <summary>The native half of the runtime, which comes from a package that the program chooses. Thread-safe.</summary>
internal static class NativeRuntime
{
    private static readonly Lazy<ModelLoadException?> Missing = new(
        () => TryLoad(typeof(OrtEnv).Assembly, "onnxruntime") ?? TryLoad(typeof(Model).Assembly, "onnxruntime-genai"));

    /// <summary>What is missing and what to do, in one sentence; null if the native libraries are present.</summary>
    public static string? MissingMessage => Missing.Value?.Message;

    /// <summary>To be called before anything of the runtime is used: otherwise a static constructor fails with an unhelpful message.</summary>
    /// <exception cref="ModelLoadException">A native library is missing or cannot be loaded; the message names the packages that have it.</exception>
    public static void EnsurePresent()
    {
        if (Missing.Value is { } missing)
            throw new ModelLoadException(missing.Message, missing.InnerException!);
    }

    /// <summary>Loads a library in the same way as the runtime's managed half, and keeps it.</summary>
    /// <returns>Null, or why it cannot be used.</returns>
    internal static ModelLoadException? TryLoad(Assembly user, string library)
    {
        try
        {
            NativeLibrary.Load(library, user, null);
            return null;
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            return new ModelLoadException(
                $"The native library {library} of ONNX Runtime was not found or could not be loaded ({RuntimeInformation.RuntimeIdentifier}); "
                + "add the package that brings it to the program: "
                + "dotnet add package OnnxVlm.Cpu, or instead OnnxVlm.Cuda for NVIDIA GPUs, or OnnxVlm.WinML for Windows ML",
                e);
        }
    }
}
