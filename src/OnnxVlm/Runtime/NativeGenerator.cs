using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace OnnxVlm.Runtime;

/// <summary>
/// Two functions that the GenAI library exports and its C# API does not bind: reading the logits, and replacing them. Source:
/// <c>ort_genai_c.h</c> of GenAI 0.15.
/// </summary>
internal static unsafe partial class NativeGenerator
{
    private const string Library = "onnxruntime-genai";

    /// <summary>Runs the model on tokens that it has not read yet, and copies the logits of the next token.</summary>
    /// <param name="generator">The generator.</param>
    /// <param name="logits">float [vocabulary].</param>
    public static void CopyLogits(Generator generator, Span<float> logits)
    {
        ThrowOnError(OgaGenerator_GetLogits(HandleOf(generator), out nint tensor));
        try
        {
            ThrowOnError(OgaTensorGetData(tensor, out nint data));
            new ReadOnlySpan<float>((void*)data, logits.Length).CopyTo(logits);
        }
        finally
        {
            OgaDestroyTensor(tensor);
        }
    }

    /// <summary>Runs the model on the last token, so that it is in the cache.</summary>
    /// <param name="generator">The generator.</param>
    public static void ReadLastToken(Generator generator)
    {
        ThrowOnError(OgaGenerator_GetLogits(HandleOf(generator), out nint tensor));
        OgaDestroyTensor(tensor);
    }

    /// <summary>Replaces the logits of the next token.</summary>
    /// <param name="generator">The generator; its logits must have been computed.</param>
    /// <param name="logits">float [vocabulary], copied.</param>
    public static void SetLogits(Generator generator, ReadOnlySpan<float> logits)
    {
        fixed (float* data = logits)
        {
            long* shape = stackalloc long[] { 1, 1, logits.Length };
            ThrowOnError(OgaCreateTensorFromBuffer((nint)data, shape, 3, (long)ElementType.float32, out nint tensor));
            try
            {
                ThrowOnError(OgaGenerator_SetLogits(HandleOf(generator), tensor));
            }
            finally
            {
                OgaDestroyTensor(tensor);
            }
        }
    }

    private static nint HandleOf(Generator generator)
    {
        nint handle = Handle(generator);
        ObjectDisposedException.ThrowIf(handle == 0, generator);
        return handle;
    }

    private static void ThrowOnError(nint result)
    {
        if (result == 0)
            return;
        string message = Marshal.PtrToStringUTF8(OgaResultGetError(result)) ?? "unknown error";
        OgaDestroyResult(result);
        throw new VlmException($"The runtime failed: {message}");
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_generatorHandle")]
    private static extern ref nint Handle(Generator generator);

    [LibraryImport(Library)]
    private static partial nint OgaGenerator_GetLogits(nint generator, out nint tensor);

    [LibraryImport(Library)]
    private static partial nint OgaGenerator_SetLogits(nint generator, nint tensor);

    [LibraryImport(Library)]
    private static partial nint OgaTensorGetData(nint tensor, out nint data);

    [LibraryImport(Library)]
    private static partial nint OgaCreateTensorFromBuffer(nint data, long* shape, nuint rank, long elementType, out nint tensor);

    [LibraryImport(Library)]
    private static partial void OgaDestroyTensor(nint tensor);

    [LibraryImport(Library)]
    private static partial nint OgaResultGetError(nint result);

    [LibraryImport(Library)]
    private static partial void OgaDestroyResult(nint result);
}
