using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Chat.Tools;
using OnnxVlm.Generation;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

/// <summary>Each syntax: what a model writes under its grammar is what its reader reads, in pieces and as a whole.</summary>
internal sealed class ToolSyntaxTests
{
    private static readonly string[] Special = ["<|tool_call>", "<tool_call|>", "<|\"|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>", "<|tool_response>", "<eos>", "<think>", "</think>", "<|im_end|>"];

    // Of each syntax; ONNXVLM_SEEDS asks for more.
    private static readonly int Functions = int.TryParse(Environment.GetEnvironmentVariable("ONNXVLM_SEEDS"), out int seeds) ? seeds : 30;

    private static readonly Vocabulary Vocabulary = TestVocabulary.Bytes(Special);

    private static readonly string[] Ends = ["<turn|>", "<|tool_response>", "<eos>", "<|im_end|>"];

    private static IEnumerable<TestCaseData> Outputs() => new[] { ToolSyntaxes.Gemma, ToolSyntaxes.Hermes }.SelectMany(syntax =>
        Directory.GetFiles(Path.Combine(Nano.TestData, "tool-syntax", syntax)).Order(StringComparer.Ordinal).Select(file => new TestCaseData(syntax, Path.GetFileName(file))));

    [TestCaseSource(nameof(Outputs))]
    public async Task Read_WhatAModelWrote_IsAsExpected(string syntax, string file)
    {
        JsonNode golden = JsonNode.Parse(File.ReadAllText(Path.Combine(Nano.TestData, "tool-syntax", syntax, file)))!;
        bool isGemma = syntax == ToolSyntaxes.Gemma;
        ReasoningTokens reasoning = isGemma ? new() { Begin = Id("<|channel>"), End = Id("<channel|>"), Header = "thought\n" } : new() { Begin = Id("<think>"), End = Id("</think>"), Header = "\n" };
        int[] output = Encode((string)golden["output"]!), prompt = Encode((string?)golden["prompt_ends_with"] ?? "?");
        using SyntaxModel model = new(ToolSyntaxes.Create(syntax, Vocabulary), output, prompt, reasoning);
        using VlmChatClient client = new(model);

        ChatResponse response = await client.GetResponseAsync("?", new ChatOptions { Tools = [Declare("get_weather"), Declare("now"), Declare("f")] });

        JsonNode expected = golden["expected"]!;
        IList<AIContent> contents = response.Messages[0].Contents;
        Assert.That(string.Concat(contents.OfType<TextReasoningContent>().Select(content => content.Text)), Is.EqualTo((string?)expected["reasoning"] ?? ""));
        Assert.That(response.Text, Is.EqualTo((string?)expected["content"]));
        JsonArray calls = new([.. contents.OfType<FunctionCallContent>().Select(call => (JsonNode)new JsonObject { ["name"] = call.Name, ["arguments"] = ArgumentsOf(call) })]);
        Assert.That(JsonNode.DeepEquals(calls, expected["tool_calls"]), Is.True, calls.ToJsonString());
    }

    [TestCase(ToolSyntaxes.Hermes)]
    [TestCase(ToolSyntaxes.Gemma)]
    [TestCase(ToolSyntaxes.QwenXml)]
    public void Grammar_RandomFunctions_WhatIsWrittenIsRead(string name)
    {
        IToolSyntax syntax = ToolSyntaxes.Create(name, Vocabulary);
        using GrammarWriter writer = new(Vocabulary, Vocabulary.Size, TestVocabulary.EndId);
        for (int seed = 0; seed < Functions; seed++)
        {
            Random random = new(seed);
            (JsonObject schema, JsonObject arguments) = RandomFunction.Create(random);
            AIFunctionDeclaration function = AIFunctionFactory.CreateDeclaration("f-1", null, JsonElement.Parse(schema.ToJsonString()));
            ToolSet tools = new([function], [function], MustCall: true, AllowMany: false);
            using Grammar grammar = writer.Compile(syntax.CreateGrammar(tools, null));
            string call = WriteCall(name, arguments, schema);
            int[] tokens = Encode(call, isQuoted: true);

            Assert.That(writer.Accepts(grammar, tokens), Is.EqualTo(tokens.Length + 1), () => $"{schema.ToJsonString()}\n{call}");
            Assert.That(JsonNode.DeepEquals(Read(syntax, tools, tokens), arguments), Is.True, () => $"{schema.ToJsonString()}\n{call}\n{Read(syntax, tools, tokens)}");

            grammar.Reset();
            IReadOnlyList<int> free = writer.Write(grammar, seed, closing: Closing(name)).TokenIds;
            JsonObject said = Read(syntax, tools, free);
            Assert.That(Json.Schema.JsonSchema.FromText(schema.ToJsonString()).Evaluate(JsonElement.Parse(said.ToJsonString())).IsValid, Is.True, () => $"{schema.ToJsonString()}\n{said.ToJsonString()}");
        }
    }

    [TestCase(ToolSyntaxes.Gemma, "<|tool_call>call:f-1{}<tool_call|><|tool_call>call:f-1{}<tool_call|>")]
    [TestCase(ToolSyntaxes.Gemma, "Let me see: call:f-1{}.<|tool_call>call:f-1{}<tool_call|>")]
    [TestCase(ToolSyntaxes.Gemma, "Only text")]
    [TestCase(ToolSyntaxes.QwenXml, "Text\n\n<tool_call>\n<function=f-1>\n</function>\n</tool_call>\n<tool_call>\n<function=f-1>\n</function>\n</tool_call>")]
    [TestCase(ToolSyntaxes.QwenXml, "Only text\n")]
    [TestCase(ToolSyntaxes.Hermes, "Text\n<tool_call>\n{\"name\": \"f-1\", \"arguments\": {}}\n</tool_call>")]
    public void Grammar_TextAndCalls_AreAllowedAndTakenApart(string name, string answer)
    {
        IToolSyntax syntax = ToolSyntaxes.Create(name, Vocabulary);
        ToolSet tools = new([Declare("f-1")], [Declare("f-1")], MustCall: false, AllowMany: true);
        using GrammarWriter writer = new(Vocabulary, Vocabulary.Size, TestVocabulary.EndId);
        using Grammar grammar = writer.Compile(syntax.CreateGrammar(tools, null));
        int[] tokens = Encode(answer);

        Assert.That(writer.Accepts(grammar, tokens), Is.EqualTo(tokens.Length + 1));
        List<AIContent> contents = ReadAll(syntax.CreateReader(tools), tokens, []);
        string[] parts = answer.Split(name == ToolSyntaxes.Gemma ? "<|tool_call>" : "<tool_call>");
        Assert.That(string.Concat(contents.OfType<TextContent>().Select(content => content.Text)), Is.EqualTo(parts.Length > 1 ? parts[0].TrimEnd('\n') : answer));
        Assert.That(contents.OfType<FunctionCallContent>().Count(), Is.EqualTo(parts.Length - 1));
    }

    [TestCase(ToolSyntaxes.Gemma)]
    [TestCase(ToolSyntaxes.QwenXml)]
    public void Grammar_RecursionReferencesAndOpenObjects_AreFollowed(string name)
    {
        JsonElement schema = JsonElement.Parse("""
            {"type":"object","properties":{"node":{"$ref":"#/$defs/node"},"map":{"type":"object","additionalProperties":{"type":"integer"}},"any":{},"pair":{"type":"array","prefixItems":[{"type":"string"},{"type":"boolean"}],"items":false},
             "either":{"anyOf":[{"type":"integer"},{"type":"object","properties":{"x":{"const":1}},"required":["x"]}]},"when":{"type":"string","format":"date"},"list":{"type":"array","items":{"enum":["ä"]},"minItems":2,"maxItems":3}},
             "required":["node","list"],"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v"]}}}
            """);
        IToolSyntax syntax = ToolSyntaxes.Create(name, Vocabulary);
        AIFunctionDeclaration function = AIFunctionFactory.CreateDeclaration("f", null, schema);
        ToolSet tools = new([function], [function], MustCall: true, AllowMany: false);
        using GrammarWriter writer = new(Vocabulary, Vocabulary.Size, TestVocabulary.EndId);
        using Grammar grammar = writer.Compile(syntax.CreateGrammar(tools, null));
        for (int seed = 0; seed < 10; seed++)
        {
            JsonObject said = Read(syntax, tools, writer.Write(grammar, seed, closing: Closing(name)).TokenIds);
            grammar.Reset();
            Assert.That(Json.Schema.JsonSchema.FromText(schema.GetRawText()).Evaluate(JsonElement.Parse(said.ToJsonString())).IsValid, Is.True, said.ToJsonString());
        }
    }

    [Test]
    public void After_Reasoning_TheGrammarHoldsBehindIt([Values] bool isOpen, [Values] bool isSpecial)
    {
        Vocabulary vocabulary = isSpecial ? Vocabulary : TestVocabulary.Bytes();
        ReasoningTokens tokens = isSpecial ? new() { Begin = Id("<think>"), End = Id("</think>") } : new() { Begin = '{', End = '}' };
        using GrammarWriter writer = new(vocabulary, vocabulary.Size, TestVocabulary.EndId);
        using Grammar grammar = writer.Compile(Guidance.JsonSchema("""{"enum":["да"]}""").After(tokens, isOpen, vocabulary));
        int[] answer = [.. "\"да\""u8.ToArray().Select(b => (int)b)], thoughts = [.. isOpen ? [] : new[] { tokens.Begin }, 'h', 'm', tokens.End, '\n', '\n'];

        Assert.That(writer.Accepts(grammar, [.. thoughts, .. answer]), Is.EqualTo(thoughts.Length + answer.Length + 1));
        grammar.Reset();
        Assert.That(writer.Accepts(grammar, answer), isOpen ? Is.LessThan(answer.Length + 1) : Is.EqualTo(answer.Length + 1));
        grammar.Reset();
        Assert.That(writer.Accepts(grammar, [.. thoughts, '"', 'n']), Is.EqualTo(thoughts.Length + 1));
    }

    // What ends a text, so that an answer that says anything comes to an end.
    private static int[] Closing(string name) => name switch
    {
        ToolSyntaxes.Gemma => [Id("<|\"|>")],
        ToolSyntaxes.QwenXml => Encode("\n</parameter>\n"),
        _ => [],
    };

    private static AIFunctionDeclaration Declare(string name) => AIFunctionFactory.CreateDeclaration(name, null, JsonElement.Parse("""{"type":"object","properties":{}}"""));

    private static int Id(string special) => Vocabulary.FindSpecial(special)!.Value;

    // Special tokens, where the text is not from a value.
    private static int[] Encode(string text, bool isQuoted = false)
    {
        List<int> ids = [];
        string[] special = isQuoted ? [] : Special;
        for (int i = 0; i < text.Length;)
        {
            string? found = isQuoted ? (text[i] >= '\ue000' && text[i] <= '\ue002' ? Special[text[i] - '\ue000'] : null) : special.FirstOrDefault(token => string.CompareOrdinal(text, i, token, 0, token.Length) == 0);
            int length = found is null ? char.IsHighSurrogate(text[i]) ? 2 : 1 : isQuoted ? 1 : found.Length;
            ids.AddRange(found is null ? Encoding.UTF8.GetBytes(text.Substring(i, length)).Select(b => (int)b) : [Id(found)]);
            i += length;
        }
        return [.. ids];
    }

    private static JsonObject Read(IToolSyntax syntax, ToolSet tools, IReadOnlyList<int> tokens)
    {
        List<ToolCallDelta> deltas = [];
        FunctionCallContent call = (FunctionCallContent)ReadAll(syntax.CreateReader(tools), tokens, deltas).Single();
        JsonObject arguments = ArgumentsOf(call);
        Assert.That((deltas[0].Name, deltas[0].CallId), Is.EqualTo((call.Name, call.CallId)));
        Assert.That(JsonNode.DeepEquals(JsonNode.Parse(string.Concat(deltas.Select(delta => delta.Arguments))), arguments), Is.True);
        Assert.That(deltas.Where(delta => delta.Arguments.Length > 0).All(delta => !char.IsHighSurrogate(delta.Arguments[^1])), Is.True);
        return arguments;
    }

    private static List<AIContent> ReadAll(IToolCallReader reader, IReadOnlyList<int> tokens, List<ToolCallDelta> deltas)
    {
        List<AIContent> contents = [];
        TextAssembler text = new([]);
        foreach (int token in tokens)
        {
            ReadOnlyMemory<byte> bytes = Vocabulary.BytesOf(token);
            contents.AddRange(reader.Read(bytes.IsEmpty ? text.Finish() : text.Add(bytes.Span), token, isLast: false, deltas));
        }
        contents.AddRange(reader.Read(text.Finish(), null, isLast: true, deltas));
        return contents;
    }

    private static JsonObject ArgumentsOf(FunctionCallContent call) =>
        new(call.Arguments!.Select(argument => KeyValuePair.Create(argument.Key, argument.Value is null ? null : JsonNode.Parse(((JsonElement)argument.Value).GetRawText()))));

    private static string WriteCall(string name, JsonObject arguments, JsonObject schema)
    {
        // In the order of the schema, which is that of the grammar.
        JsonObject ordered = new((schema["properties"] as JsonObject ?? []).Where(property => arguments.ContainsKey(property.Key)).Select(property => KeyValuePair.Create(property.Key, arguments[property.Key]?.DeepClone())));
        return name switch
        {
            ToolSyntaxes.Gemma => $"\ue000call:f-1{Gemma(arguments)}\ue001",
            ToolSyntaxes.QwenXml => $"<tool_call>\n<function=f-1>\n{string.Concat(ordered.Select(argument => $"<parameter={argument.Key}>\n{Xml(argument.Value)}\n</parameter>\n"))}</function>\n</tool_call>",
            _ => $"<tool_call>\n{ToolCallText.BeforeArguments("f-1")}{SpacedJson.Write(JsonElement.Parse(Ordered(ordered, schema)!.ToJsonString()))}}}\n</tool_call>",
        };
    }

    private static string Xml(JsonNode? value) => value switch
    {
        null => "null",
        JsonValue text when text.GetValueKind() == JsonValueKind.String => (string)text!,
        _ => SpacedJson.Write(JsonElement.Parse(value.ToJsonString())),
    };

    private static string Gemma(JsonNode? value) => value switch
    {
        null => "null",
        JsonObject members => $"{{{string.Join(',', members.OrderBy(member => member.Key.ToLower(CultureInfo.InvariantCulture), StringComparer.Ordinal).Select(member => $"{member.Key}:{Gemma(member.Value)}"))}}}",
        JsonArray items => $"[{string.Join(',', items.Select(Gemma))}]",
        JsonValue text when text.GetValueKind() == JsonValueKind.String => $"\ue002{(string)text!}\ue002",
        _ => value.ToJsonString(),
    };

    private static JsonNode? Ordered(JsonNode? value, JsonObject schema) => value is JsonObject members && schema["properties"] is JsonObject properties
        ? new JsonObject(properties.Where(property => members.ContainsKey(property.Key)).Select(property => KeyValuePair.Create(property.Key, Ordered(members[property.Key], property.Value as JsonObject ?? [])?.DeepClone())))
        : value;

    /// <summary>A model that writes given tokens after a given prompt, through the library's own loop.</summary>
    private sealed class SyntaxModel : IChatModel, IDisposable
    {
        private readonly TokenGenerator _generator;
        private readonly int[] _prompt;

        public SyntaxModel(IToolSyntax syntax, int[] output, int[] prompt, ReasoningTokens reasoning)
        {
            ToolSyntax = syntax;
            _prompt = prompt;
            ScriptedDecoder decoder = ScriptedDecoder.Answering(Vocabulary.Size, [.. output, Id("<eos>")]);
            _generator = new TokenGenerator(decoder, Vocabulary, [.. Ends.Select(Id)], _ => [], (_, _) => new FreeGrammar(), cacheBytes: 0, reasoning: reasoning);
        }

        string IChatModel.Id => "syntax";

        public IToolSyntax ToolSyntax { get; }

        public Prompt CreatePrompt(IEnumerable<ChatMessage> messages) => new([new PromptSegment(_prompt)]);

        public Prompt CreatePlainPrompt(IReadOnlyList<AIContent> contents, CancellationToken cancellationToken = default) => CreatePrompt([]);

        public IAsyncEnumerable<GenerationUpdate> GenerateAsync(Prompt prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default) => _generator.GenerateAsync(prompt, options!, cancellationToken);

        public void Dispose() => _generator.Dispose();
    }
}
