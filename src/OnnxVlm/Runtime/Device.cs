namespace OnnxVlm.Runtime;

/// <summary>Where the model runs.</summary>
public enum Device
{
    /// <summary>The first of CUDA, DirectML and CPU that works.</summary>
    Auto,

    /// <summary>An NVIDIA GPU. Needs the package OnnxVlm.Cuda and the libraries of CUDA 13.</summary>
    Cuda,

    /// <summary>A DirectX 12 GPU on Windows. Needs the directml or winml packages.</summary>
    DirectMl,

    /// <summary>The processor.</summary>
    Cpu,
}
