using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.Prompting;

namespace OnnxVlm.Runtime;

/// <summary>The chat template of a model folder, rendered by GenAI: with a model whose graph predicts nothing, so that it does not matter what runs the model itself.</summary>
/// <param name="folder">The model folder.</param>
internal sealed class GenAIChatTemplate(string folder) : IChatTemplate, IDisposable
{
    // GenAI's JSON reader knows no \uXXXX escapes.
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // The native object keeps its place in the text in a field of its own, so that two threads at once read each other's text.
    private readonly Lock _lock = new();
    private Model? _model;
    private Tokenizer? _tokenizer;

    public string Render(IReadOnlyList<TemplateMessage> messages)
    {
        JsonArray list = new([.. messages.Select(message => (JsonNode)new JsonObject { ["role"] = message.Role, ["content"] = message.Content })]);
        string json = list.ToJsonString(Json);
        try
        {
            lock (_lock)
            {
                if (_tokenizer is null)
                {
                    _model = Load();
                    _tokenizer = new Tokenizer(_model);
                    NativeOwner.Created();
                }
                return _tokenizer.ApplyChatTemplate("", json, "", add_generation_prompt: true);
            }
        }
        catch (OnnxRuntimeGenAIException e)
        {
            throw new ModelLoadException($"The chat template of tokenizer_config.json could not be rendered: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        if (_tokenizer is null)
            return;
        _tokenizer.Dispose();
        _model!.Dispose();
        NativeOwner.Disposed();
    }

    private Model Load()
    {
        using Config config = new(folder);
        config.ClearProviders();
        config.AddModelData(GrammarModel.GraphName, GrammarGraph.Create(width: 32));
        config.Overlay($$"""{ "model": { "decoder": { "filename": "{{GrammarModel.GraphName}}", "num_hidden_layers": 0 } } }""");
        return new Model(config);
    }
}
