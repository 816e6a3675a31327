using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>Which devices this build of the runtime and this machine offer, and what is missing for the others.</summary>
public static class DeviceCatalog
{
    /// <summary>The devices in the order in which <see cref="Device.Auto"/> tries them.</summary>
    public static IReadOnlyList<Device> Candidates { get; } = [Device.Cuda, Device.DirectMl, Device.Cpu];

    /// <summary>Why a device cannot be used, or null where nothing speaks against it. Only loading a model on it proves that it works.</summary>
    /// <param name="device">A device other than <see cref="Device.Auto"/>.</param>
    /// <returns>One sentence that names what is missing and what to do.</returns>
    public static string? MissingFor(Device device) => device switch
    {
        Device.Cpu => null,
        Device.Cuda when !HasProvider("CUDAExecutionProvider") =>
            "this build of ONNX Runtime has no CUDA provider (library onnxruntime_providers_cuda); set up with: dotnet run scripts/setup.cs -- --runtime cuda",
        Device.Cuda => FirstMissing(OperatingSystem.IsWindows()
            ? [["onnxruntime-genai-cuda.dll"], ["cudart64_12.dll", "cudart64_13.dll"], ["cublas64_12.dll", "cublas64_13.dll"], ["cudnn64_9.dll"]]
            : [["libonnxruntime-genai-cuda.so"], ["libcuda.so.1"], ["libcudart.so.12", "libcudart.so.13"], ["libcublas.so.12", "libcublas.so.13"], ["libcudnn.so.9"]]),
        Device.DirectMl when !OperatingSystem.IsWindows() => "DirectML needs Windows 10 or later",
        Device.DirectMl when !HasProvider("DmlExecutionProvider") =>
            "this build of ONNX Runtime has no DirectML provider; set up with: dotnet run scripts/setup.cs -- --runtime directml",
        Device.DirectMl => FirstMissing([["DirectML.dll"], ["D3D12.dll"]]),
        _ => throw new ArgumentOutOfRangeException(nameof(device), device, "Ask about one device, not about Auto."),
    };

    internal static bool IsPresent(Device device) => MissingFor(device) is null;

    internal static void EnsurePresent(Device device)
    {
        if (MissingFor(device) is { } missing)
            throw new ModelLoadException($"The device {device} cannot be used: {missing}. Or choose another device, for example cpu.");
    }

    /// <summary>GenAI's name of the device's execution provider; null for the CPU, which has none.</summary>
    internal static string? ProviderOf(Device device) => device switch
    {
        Device.Cuda => "cuda",
        Device.DirectMl => "DML",
        _ => null,
    };

    private static bool HasProvider(string name) => OrtEnv.Instance().GetAvailableProviders().Contains(name);

    /// <summary>What is missing, or null. Of each group one library must load: the runtime's packages are built for CUDA 12 or 13, and do not say which.</summary>
    private static string? FirstMissing(string[][] groups) => groups.FirstOrDefault(group => !group.Any(CanLoad)) is { } missing
        ? $"the library {string.Join(" or ", missing)} was not found or could not be loaded"
        : null;

    private static bool CanLoad(string library)
    {
        if (!NativeLibrary.TryLoad(library, typeof(DeviceCatalog).Assembly, null, out nint handle))
            return false;
        NativeLibrary.Free(handle);
        return true;
    }
}
