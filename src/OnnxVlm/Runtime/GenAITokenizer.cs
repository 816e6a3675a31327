using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.Prompting;

namespace OnnxVlm.Runtime;

/// <summary>The tokenizer and the chat template of a loaded model.</summary>
internal sealed class GenAITokenizer : ITokenizer, IChatTemplate, IDisposable
{
    // GenAI's JSON reader knows no \uXXXX escapes.
    private static readonly JsonSerializerOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Tokenizer _tokenizer;

    // The native tokenizer keeps its place in the text in a field of its own, so that two threads at once read each other's text.
    private readonly Lock _lock = new();

    public GenAITokenizer(Model model)
    {
        _tokenizer = new Tokenizer(model);
        NativeOwner.Created();
    }

    public int[] Encode(string text)
    {
        if (text.Length == 0)
            return [];
        lock (_lock)
        {
            using Sequences sequences = _tokenizer.Encode(text);
            return sequences[0].ToArray();
        }
    }

    public string Render(IReadOnlyList<TemplateMessage> messages)
    {
        JsonArray list = [.. messages.Select(message => new JsonObject { ["role"] = message.Role, ["content"] = message.Content })];
        string json = list.ToJsonString(Json);
        try
        {
            lock (_lock)
                return _tokenizer.ApplyChatTemplate("", json, "", add_generation_prompt: true);
        }
        catch (OnnxRuntimeGenAIException e)
        {
            throw new ModelLoadException($"The chat template of tokenizer_config.json could not be rendered: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        _tokenizer.Dispose();
        NativeOwner.Disposed();
    }
}
