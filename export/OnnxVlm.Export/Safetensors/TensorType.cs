namespace OnnxVlm.Export.Safetensors;

/// <summary>The element types of the safetensors format whose sizes are known; weights are read from the first three.</summary>
internal enum TensorType
{
    F32,
    F16,
    BF16,
    F64,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}
