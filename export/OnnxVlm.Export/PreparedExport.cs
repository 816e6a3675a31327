using OnnxVlm.Export.Architectures;
using OnnxVlm.Export.FolderWriting;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.Export.Onnx;
using OnnxVlm.Export.Quantization;
using OnnxVlm.Export.Safetensors;

namespace OnnxVlm.Export;

/// <summary>An export of which everything but the weights' numbers is known. Disposing closes the weights.</summary>
/// <param name="Options">What to export and how.</param>
/// <param name="Architecture">The checkpoint's <c>model_type</c>.</param>
/// <param name="Weights">The checkpoint's tensors.</param>
/// <param name="Graph">The graph, with the sources of its weights.</param>
/// <param name="Model">What the configuration says.</param>
/// <param name="Defaults">How the model generates.</param>
/// <param name="Tokenizer">Its tokenizer; null for bare weights.</param>
internal sealed record PreparedExport(
    ExportOptions Options, string Architecture, TensorStore Weights, GraphBuilder Graph, ModelDescription Model, GenerationDefaults Defaults,
    TokenizerFile? Tokenizer) : IDisposable
{
    /// <summary>What was written.</summary>
    /// <param name="folder">The folder of the files, before it is moved into place.</param>
    /// <param name="elapsed">Time since the start.</param>
    public ExportReport Report(string folder, TimeSpan elapsed) => new()
    {
        OutputFolder = Options.OutputFolder,
        Architecture = Architecture,
        Parameters = Weights.Parameters,
        SizeBytes = new DirectoryInfo(folder).EnumerateFiles().Where(file => !file.Name.StartsWith('.')).Sum(file => file.Length),
        Elapsed = elapsed,
        HasTokenizer = Tokenizer is not null,
        ChatTemplate = Tokenizer?.OriginOfTemplate(Model.Template) ?? TemplateOrigin.None,
        Quantized = [.. Graph.Sources.OfType<QuantizedWeights>().Select(weights => weights.Report())],
    };

    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();
}
