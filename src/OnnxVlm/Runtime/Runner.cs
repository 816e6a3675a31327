namespace OnnxVlm.Runtime;

/// <summary>The runtime that runs the model.</summary>
public enum Runner
{
    /// <summary><see cref="Ort"/> on the CPU and on CUDA, <see cref="GenAI"/> elsewhere.</summary>
    Auto,

    /// <summary>ONNX Runtime itself: the running answers are rows of one batch. On the CPU and on CUDA.</summary>
    Ort,

    /// <summary>ONNX Runtime GenAI: each running answer is a generator of its own. On all devices.</summary>
    GenAI,
}
