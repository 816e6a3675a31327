using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxVlm.Runtime;

/// <summary>The devices that this program's runtime and this machine offer, and what the others lack. Thread-safe.</summary>
public static class DeviceCatalog
{
    // The libraries that libonnxruntime_providers_cuda of Microsoft.ML.OnnxRuntime.Gpu 1.31 is linked to: the driver, and CUDA 13.
    private static readonly string[] Driver = OperatingSystem.IsWindows() ? ["nvcuda.dll"] : ["libcuda.so.1"];
    private static readonly string[] Cuda = OperatingSystem.IsWindows()
        ? ["cudart64_13.dll", "cublas64_13.dll", "cublasLt64_13.dll", "curand64_10.dll"]
        : ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10"];

    // Loaded when an operator needs it.
    private static readonly string Cudnn = OperatingSystem.IsWindows() ? "cudnn64_9.dll" : "libcudnn.so.9";

    /// <summary>The devices in the order in which <see cref="Device.Auto"/> tries them.</summary>
    public static IReadOnlyList<Device> Candidates { get; } = [Device.Cuda, Device.DirectMl, Device.Cpu];

    /// <summary>Why a device cannot be used, or null if no reason is known. Only loading a model on it proves that it works.</summary>
    /// <param name="device">A device other than <see cref="Device.Auto"/>.</param>
    /// <returns>What is missing and what to install.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="device"/> is <see cref="Device.Auto"/> or no device.</exception>
    public static string? MissingFor(Device device) => device switch
    {
        Device.Cpu or Device.Cuda or Device.DirectMl when NativeRuntime.MissingMessage is { } missing => missing,
        Device.Cpu => null,
        Device.Cuda when OperatingSystem.IsMacOS() || RuntimeInformation.ProcessArchitecture != Architecture.X64 => "CUDA needs Linux or Windows on x64",
        Device.Cuda when !HasProvider("CUDAExecutionProvider") =>
            "this program has ONNX Runtime without CUDA; a program gets it from the package OnnxVlm.Cuda in place of OnnxVlm.Cpu, "
            + "the command line from its sources: "
            + "dotnet build src/OnnxVlm.Cli -c Release -p:OnnxVlmRuntime=cuda",
        Device.Cuda when NotFound(Driver) is { } missing => $"{missing} was not found; install NVIDIA's driver for a GPU of this machine",
        Device.Cuda when NotFound(Cuda) is { } missing => $"{missing} was not found; install the libraries of CUDA 13{PlaceOfLibraries}",
        Device.Cuda => null,
        Device.DirectMl when !OperatingSystem.IsWindows() => "DirectML needs Windows 10 or later",
        Device.DirectMl when !HasProvider("DmlExecutionProvider") =>
            "this program has ONNX Runtime without DirectML; a program gets a runtime for the GPUs of Windows from the package OnnxVlm.WinML "
            + "in place of OnnxVlm.Cpu, the command line from its sources: "
            + "dotnet build src/OnnxVlm.Cli -c Release -p:OnnxVlmRuntime=directml",
        Device.DirectMl when NotFound(["DirectML.dll", "D3D12.dll"]) is { } missing => $"{missing} was not found; update Windows",
        Device.DirectMl => null,
        _ => throw new ArgumentOutOfRangeException(nameof(device), device, "Ask about one device, not about Auto."),
    };

    /// <summary>What could be added to a device that already works; null for nothing.</summary>
    /// <param name="device">The device.</param>
    public static string? OptionalFor(Device device) => device == Device.Cuda && MissingFor(device) is null && NotFound([Cudnn]) is { } missing
        ? $"cuDNN 9 ({missing}) was not found; models work without it"
        : null;

    internal static bool IsPresent(Device device) => MissingFor(device) is null;

    internal static void EnsurePresent(Device device)
    {
        if (MissingFor(device) is { } missing)
            throw new ModelLoadException(
                device == Device.Cpu ? missing : $"The device {device} cannot be used: {missing}. Or choose another device, for example cpu.");
    }

    /// <summary>GenAI's name of the device's execution provider; null for the CPU, which has none.</summary>
    internal static string? ProviderOf(Device device) => device switch
    {
        Device.Cuda => "cuda",
        Device.DirectMl => "DML",
        _ => null,
    };

    private static string PlaceOfLibraries => OperatingSystem.IsWindows()
        ? ", and put their folder into PATH"
        : " (NVIDIA's Linux package cuda-libraries-13-0 has them, and so have the Python packages nvidia-cublas and nvidia-curand), "
            + "and where they lie elsewhere put their folder into LD_LIBRARY_PATH";

    private static bool HasProvider(string name) => OrtEnv.Instance().GetAvailableProviders().Contains(name);

    private static string? NotFound(string[] libraries)
    {
        string[] missing = [.. libraries.Where(library => !CanLoad(library))];
        return missing.Length == 0 ? null : string.Join(", ", missing);
    }

    private static bool CanLoad(string library)
    {
        if (!NativeLibrary.TryLoad(library, typeof(DeviceCatalog).Assembly, null, out nint handle))
            return false;
        NativeLibrary.Free(handle);
        return true;
    }
}
