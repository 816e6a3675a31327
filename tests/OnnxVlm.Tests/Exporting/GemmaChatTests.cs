using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Export;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Tests.Exporting;

/// <summary>The shipped gemma-4-12b configuration in small, with random weights and a tokenizer of bytes: from messages to an answer.</summary>
internal sealed class GemmaChatTests
{
    private string _folder = "";
    private VlmModel _model = null!;

    [OneTimeSetUp]
    public void Export()
    {
        _folder = Directory.CreateTempSubdirectory("onnxvlm-gemma-chat-").FullName;
        string checkpoint = Path.Combine(_folder, "config"), output = Path.Combine(_folder, "out");
        Directory.CreateDirectory(checkpoint);
        foreach (string path in Directory.GetFiles(Exporter.ShippedConfigs["gemma-4-12b"]))
            File.Copy(path, Path.Combine(checkpoint, Path.GetFileName(path)));
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(checkpoint, "config.json")))!, text = config["text_config"]!;
        (text["hidden_size"], text["intermediate_size"], text["num_hidden_layers"], text["max_position_embeddings"]) = (32, 64, 6, 2048);
        (text["head_dim"], text["global_head_dim"], text["num_attention_heads"], text["num_key_value_heads"]) = (16, 32, 4, 2);
        (config["vision_config"]!["mm_embed_dim"], config["vision_config"]!["output_proj_dims"]) = (32, 32);
        File.WriteAllText(Path.Combine(checkpoint, "config.json"), config.ToJsonString());
        Exporter.Export(new ExportOptions { CheckpointFolder = checkpoint, OutputFolder = output, RandomSeed = 1 });
        _model = VlmModel.Load(output, new VlmOptions { MaxImageTokens = 70 });
    }

    [OneTimeTearDown]
    public void Delete()
    {
        _model?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public void CreatePrompt_TextAndImage_HasGemmasTurns()
    {
        Prompt prompt = _model.CreatePrompt([new ChatMessage(ChatRole.System, "Be brief. "), Question()]);

        string shown = string.Concat(prompt.Segments.Select(segment => segment.Image is { } image ? $"<{image.Rows}x{image.Columns}>" : Show(segment.TokenIds)));
        Assert.That(shown, Is.EqualTo("<bos><|turn>system\nBe brief.<turn|>\n<|turn>user\n<4x14>What is <turn|> here?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>"));
        PromptSegment run = prompt.Segments.Single(segment => segment.Image is not null);
        Assert.That(run.TokenIds.ToArray(), Is.EqualTo(new[] { 255999 }.Concat(Enumerable.Repeat(258880, 56)).Append(258882)));
        Assert.That(prompt.Segments[^1].TokenIds.ToArray().Count(id => id == 106), Is.EqualTo(1), "what a user writes is no token");
    }

    [Test]
    public void CreatePrompt_Reasons_AsksForIt() =>
        Assert.That(Show(_model.CreatePrompt([new ChatMessage(ChatRole.User, "Hi")], reasons: true).Segments[0].TokenIds), Is.EqualTo("<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n"));

    [Test]
    public async Task GetResponseAsync_TwoTurnsWithImages_Answers()
    {
        using VlmChatClient client = new(_model);
        List<ChatMessage> conversation = [Question()];
        ChatOptions options = new() { MaxOutputTokens = 5, AdditionalProperties = new() { [ChatProperties.MinTokens] = 5 } };

        ChatResponse first = await client.GetResponseAsync(conversation, options);
        conversation.AddRange([new ChatMessage(ChatRole.Assistant, "Text."), Question()]);
        ChatResponse second = await client.GetResponseAsync(conversation, options);

        Assert.That(first.Usage!.OutputTokenCount, Is.EqualTo(5));
        Assert.That(second.Usage!.CachedInputTokenCount, Is.GreaterThan(58), "the first image was not read again");
        Assert.That(second.Usage.AdditionalCounts![ChatProperties.ImageTokens], Is.EqualTo(2 * 58));
    }

    [Test]
    public async Task GenerateAsync_BiasTowardsASuppressedToken_IsNotSaid()
    {
        Prompt prompt = _model.CreatePrompt([new ChatMessage(ChatRole.User, "Hi")]);
        GenerationOptions options = new() { MaxNewTokens = 3, MinNewTokens = 3, LogitBias = new Dictionary<int, double> { [258882] = 100 } };

        List<GenerationUpdate> updates = await _model.GenerateAsync(prompt, options).ToListAsync();

        Assert.That(updates.Select(update => update.TokenId), Has.No.Member(258882));
    }

    [Test]
    public void Load_AnotherBudget_Refused() => Assert.That(
        () => VlmModel.Load(Path.Combine(_folder, "out"), new VlmOptions { MaxImageTokens = 100 }), Throws.ArgumentException.With.Message.Contains("70, 140, 280, 560, 1120"));

    private string Show(ReadOnlyMemory<int> ids)
    {
        Dictionary<int, string> special = _model.Vocabulary.SpecialTokens.ToDictionary(text => _model.Vocabulary.FindSpecial(text)!.Value);
        return string.Concat(ids.ToArray().Select(id => special.TryGetValue(id, out string? text) ? text : System.Text.Encoding.Latin1.GetString(_model.Vocabulary.BytesOf(id).Span)));
    }

    private static ChatMessage Question() => new(ChatRole.User, [new DataContent(File.ReadAllBytes(Nano.SampleImage), "image/png"), new TextContent(" What is <turn|> here?\n")]);
}
