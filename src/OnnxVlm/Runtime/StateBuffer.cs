using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace OnnxVlm.Runtime;

/// <summary>
/// One tensor of a row's state, as the graph describes it: keys or values of a layer, <c>[row, heads, tokens, head size]</c>, which grow by a token at a time, or what a recurrent layer remembers,
/// <c>[row, …]</c>, which has one size and is 0 before the first token. The graph takes it as one input and gives it back as one output, and both are the same memory.
/// </summary>
/// <param name="Input">Name of the graph's input.</param>
/// <param name="Output">Name of the graph's output.</param>
/// <param name="Type">Type of an element.</param>
/// <param name="Heads">Key/value heads.</param>
/// <param name="HeadSize">Elements of a head.</param>
internal sealed record StateBuffer(string Input, string Output, TensorElementType Type, int Heads, int HeadSize)
{
    private const string Past = "past_key_values.", Recurrent = "_state", WindowPast = "window_past";

    /// <summary>Sides of a row of what a recurrent layer remembers; null for keys and values.</summary>
    public long[]? Shape { get; init; }

    /// <summary>Whether it is of a layer with a window, and may lack the first tokens.</summary>
    public bool HasWindow { get; init; }

    /// <summary>Whether it has one size, however long the sequence is.</summary>
    public bool IsConstant => Shape is not null;

    /// <summary>Bytes of a row, where it has one size; else 0.</summary>
    public long RowBytes => Shape?.Aggregate((long)ElementBytes, (product, side) => product * side) ?? 0;

    /// <summary>Bytes of one token in one head.</summary>
    public int HeadBytes => HeadSize * ElementBytes;

    /// <summary>Bytes of one token in all heads; 0 where it does not grow.</summary>
    public long TokenBytes => IsConstant ? 0 : (long)Heads * HeadBytes;

    private int ElementBytes => Type switch
    {
        TensorElementType.Float => 4,
        TensorElementType.Float16 or TensorElementType.BFloat16 => 2,
        TensorElementType.Int8 or TensorElementType.UInt8 => 1,
        _ => throw new UnsupportedModelException($"The key-value cache {Input} has elements of the type {Type}; expected 8, 16 or 32 bits. Export the model again."),
    };

    /// <summary>Reads the state that a graph has.</summary>
    /// <param name="session">The graph.</param>
    /// <returns>In the order of its inputs.</returns>
    /// <exception cref="ModelLoadException">An input of the past is not one of keys, values or the state of a recurrent layer.</exception>
    public static IReadOnlyList<StateBuffer> ReadFrom(InferenceSession session)
    {
        List<StateBuffer> buffers = [];
        foreach (string name in session.InputNames.Where(name => name.StartsWith(Past, StringComparison.Ordinal)))
        {
            NodeMetadata input = session.InputMetadata[name];
            string output = $"present.{name[Past.Length..]}";
            if (name.EndsWith(Recurrent, StringComparison.Ordinal) && input.Dimensions.Length > 1 && input.Dimensions.Skip(1).All(side => side > 0) && session.OutputMetadata.ContainsKey(output))
            {
                buffers.Add(new StateBuffer(name, output, input.ElementDataType, 1, 1) { Shape = [.. input.Dimensions.Skip(1).Select(side => (long)side)] });
                continue;
            }
            if (input.Dimensions.Length != 4 || input.Dimensions[1] < 1 || input.Dimensions[3] < 1 || !session.OutputMetadata.ContainsKey(output))
                throw new ModelLoadException($"The graph's input {name}: expected [batch, heads, past, head size] and the output {output}. Export the model again.");
            buffers.Add(new StateBuffer(name, output, input.ElementDataType, input.Dimensions[1], input.Dimensions[3]) { HasWindow = input.SymbolicDimensions[2] == WindowPast });
        }
        return buffers;
    }

    /// <summary>Random numbers between −1 and 1, or codes of 8 bits, of the buffer's type.</summary>
    /// <param name="tokens">For how many tokens of a head.</param>
    /// <param name="random">Where they come from.</param>
    public byte[] RandomNumbers(int tokens, Random random)
    {
        byte[] bytes = new byte[tokens * HeadBytes];
        random.NextBytes(bytes);
        Span<float> numbers = Type == TensorElementType.Float ? MemoryMarshal.Cast<byte, float>(bytes.AsSpan()) : [];
        Span<Half> halves = Type == TensorElementType.Float16 ? MemoryMarshal.Cast<byte, Half>(bytes.AsSpan()) : [];
        foreach (ref float number in numbers)
            number = (2 * random.NextSingle()) - 1;
        foreach (ref Half half in halves)
            half = (Half)((2 * random.NextSingle()) - 1);
        return bytes;
    }

    /// <summary>A tensor over neighbouring rows.</summary>
    /// <param name="memory">The buffer's memory.</param>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many.</param>
    /// <param name="capacity">Tokens that a row has room for.</param>
    public OrtValue View(IRowMemory memory, int first, int count, int capacity)
    {
        if (Shape is not null)
            return OrtValue.CreateTensorValueWithData(memory.Info, Type, [count, .. Shape], memory.Start + (nint)(first * RowBytes), count * RowBytes);
        long rowBytes = capacity * TokenBytes;
        return OrtValue.CreateTensorValueWithData(memory.Info, Type, [count, Heads, capacity, HeadSize], memory.Start + (nint)(first * rowBytes), count * rowBytes);
    }
}
