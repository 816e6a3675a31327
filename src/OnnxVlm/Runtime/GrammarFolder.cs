using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using OnnxVlm.Prompting;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Runtime;

/// <summary>
/// A temporary folder with the files that GenAI requires beside a model's graph: a configuration and a tokenizer.json. The tokenizer is made from the
/// bytes of our vocabulary, so that a grammar has the same tokens whatever kind of tokenizer the model has. It never tokenizes a text: GenAI would
/// tokenize a grammar's forced text, but we force none.
/// </summary>
internal sealed class GrammarFolder : IDisposable
{
    // GenAI's JSON reader does not know \uXXXX escapes.
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the folder.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="width">Width of the logits.</param>
    /// <param name="endTokenId">The token that ends an answer.</param>
    public GrammarFolder(Vocabulary vocabulary, int width, int endTokenId)
    {
        FullName = Directory.CreateTempSubdirectory("onnxvlm-grammar-").FullName;
        try
        {
            using (FileStream file = File.Create(Path.Combine(FullName, "tokenizer.json")))
                WriteTokenizer(file, vocabulary, width);
            File.WriteAllText(Path.Combine(FullName, "tokenizer_config.json"), """{"tokenizer_class": "GPT2Tokenizer"}""");
            File.WriteAllText(Path.Combine(FullName, "genai_config.json"), Configuration(width, endTokenId));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Path of the folder.</summary>
    public string FullName { get; }

    public void Dispose() => Directory.Delete(FullName, recursive: true);

    private static string Configuration(int width, int endTokenId) => $$"""
        {
          "model": {
            "type": "decoder", "context_length": {{GrammarModel.MaxTokens}}, "vocab_size": {{width}},
            "eos_token_id": [{{endTokenId}}], "pad_token_id": {{endTokenId}},
            "decoder": {
              "filename": "{{GrammarModel.GraphName}}", "head_size": 1, "hidden_size": 1, "num_attention_heads": 1,
              "num_hidden_layers": 0, "num_key_value_heads": 1,
              "inputs": { "input_ids": "{{GrammarGraph.Input}}" }, "outputs": { "logits": "{{GrammarGraph.Output}}" }
            }
          },
          "search": { "max_length": {{GrammarModel.MaxTokens}}, "do_sample": false }
        }
        """;

    private static void WriteTokenizer(Stream stream, Vocabulary vocabulary, int width)
    {
        using Utf8JsonWriter json = new(stream, Json);
        json.WriteStartObject();
        json.WriteStartArray("added_tokens");
        foreach (string text in vocabulary.SpecialTokens)
            WriteSpecial(json, vocabulary.FindSpecial(text)!.Value, text);
        json.WriteEndArray();
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteEndObject();
        json.WriteStartObject("decoder");
        json.WriteString("type", "ByteLevel");
        json.WriteEndObject();
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteStartObject("vocab");
        WriteVocabulary(json, vocabulary, width);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSpecial(Utf8JsonWriter json, int id, string text)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", text);
        json.WriteBoolean("special", true);
        json.WriteBoolean("single_word", false);
        json.WriteBoolean("lstrip", false);
        json.WriteBoolean("rstrip", false);
        json.WriteBoolean("normalized", false);
        json.WriteEndObject();
    }

    // A grammar needs one token for each text. If several tokens have it, the last is taken: in a vocabulary with byte fallback the bytes come first,
    // and a model writes "A" and not <0x41>.
    private static void WriteVocabulary(Utf8JsonWriter json, Vocabulary vocabulary, int width)
    {
        HashSet<string> written = [];
        StringBuilder text = new();
        for (int id = Math.Min(width, vocabulary.Size) - 1; id >= 0; id--)
        {
            ReadOnlySpan<byte> bytes = vocabulary.BytesOf(id).Span;
            if (bytes.IsEmpty)
                continue;
            text.Clear();
            foreach (byte value in bytes)
                text.Append(ByteAlphabet.ToChar(value));
            string token = text.ToString();
            if (written.Add(token))
                json.WriteNumber(token, id);
        }
    }
}
