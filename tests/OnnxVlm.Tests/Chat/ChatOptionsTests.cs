using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Chat;

internal sealed class ChatOptionsTests
{
    private static readonly ChatMessage[] Hello = [new(ChatRole.User, "hello")];

    [Test]
    public async Task Fields_Set_BecomeNativeOptions()
    {
        GenerationOptions native = await Read(new ChatOptions
        {
            MaxOutputTokens = 7,
            Temperature = 0.5f,
            TopP = 0.75f,
            TopK = 3,
            Seed = 9,
            FrequencyPenalty = 1,
            PresencePenalty = -1,
            StopSequences = ["a", "b"],
            ModelId = "scripted",
            Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None },
            AllowBackgroundResponses = false,
        });

        Assert.That((native.MaxNewTokens, native.Temperature, native.TopP, native.TopK, native.Seed), Is.EqualTo((7, 0.5, 0.75, 3, (long?)9)));
        Assert.That((native.FrequencyPenalty, native.PresencePenalty), Is.EqualTo((1.0, -1.0)));
        Assert.That(native.StopSequences, Is.EqualTo(new[] { "a", "b" }));
    }

    [Test]
    public async Task PlainPrompt_True_IsBuiltWithoutTheTemplate()
    {
        ScriptedChatModel model = new(["x"]);
        ChatMessage[] messages = [new(ChatRole.System, "Once "), new(ChatRole.User, "upon")];
        using VlmChatClient client = new(model);

        await client.GetResponseAsync(messages, new ChatOptions { AdditionalProperties = new() { [ChatProperties.PlainPrompt] = true } });
        await client.GetResponseAsync(messages, new ChatOptions { AdditionalProperties = new() { [ChatProperties.PlainPrompt] = false } });

        Assert.That(model.Conversations[0].Select(message => (message.Role.Value, message.Text)), Is.EqualTo(new[] { ("plain", "Once upon") }));
        Assert.That(model.Conversations[1], Has.Length.EqualTo(2));
        Assert.That(
            async () => await client.GetResponseAsync(messages, new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "f")], AdditionalProperties = new() { [ChatProperties.PlainPrompt] = true } }),
            Throws.ArgumentException.With.Message.Contains("plain_prompt"));
    }

    [Test]
    public async Task Fields_NotSet_LeaveTheClientsDefaults()
    {
        GenerationOptions defaults = new() { Temperature = 0.3, MaxNewTokens = 11, StopSequences = ["x"] };

        Assert.That(await Read(null, defaults), Is.SameAs(defaults));
        Assert.That(await Read(new ChatOptions(), defaults), Is.EqualTo(defaults));
        Assert.That(await Read(new ChatOptions { StopSequences = [] }, defaults), Is.EqualTo(defaults));
    }

    [Test]
    public async Task AdditionalProperties_Known_BecomeNativeOptions()
    {
        GenerationOptions native = await Read(With(
            (ChatProperties.MinP, 0.1), (ChatProperties.RepetitionPenalty, 2), (ChatProperties.LogitBias, new Dictionary<int, float> { [4] = -100, [5] = 1.5f }),
            (ChatProperties.TopLogprobs, 3L), (ChatProperties.MinTokens, 2), (ChatProperties.StopTokenIds, new[] { 1, 2 }), (ChatProperties.Regex, "[0-9]+")));

        Assert.That((native.MinP, native.RepetitionPenalty, native.TopLogprobs, native.MinNewTokens), Is.EqualTo((0.1, 2.0, (int?)3, 2)));
        Assert.That(native.LogitBias, Is.EquivalentTo(new Dictionary<int, double> { [4] = -100, [5] = 1.5 }));
        Assert.That(native.StopTokenIds, Is.EqualTo(new[] { 1, 2 }));
        Assert.That(native.Guidance!.Grammar, Is.EqualTo("[0-9]+"));
        Assert.That((await Read(With((ChatProperties.LarkGrammar, "start: \"a\"")))).Guidance!.Grammar, Is.EqualTo("start: \"a\""));
        Assert.That((await Read(With((ChatProperties.Choice, new[] { "a", "b\"" })))).Guidance!.Grammar, Is.EqualTo("start: \"a\" | \"b\\\"\""));
    }

    [Test]
    public async Task AdditionalProperties_JsonElements_AreReadAlike()
    {
        JsonElement json = JsonDocument.Parse("""{"min_p": 0.1, "logit_bias": {"4": -100}, "top_logprobs": 0, "stop_token_ids": [1], "min_tokens": null}""").RootElement;

        GenerationOptions native = await Read(With([.. json.EnumerateObject().Select(property => (property.Name, (object?)property.Value))]));

        Assert.That((native.MinP, native.TopLogprobs, native.LogitBias[4], native.StopTokenIds[0]), Is.EqualTo((0.1, (int?)0, -100.0, 1)));
    }

    [Test]
    public async Task AdditionalProperties_Logprobs_TurnsThemOnAndOff()
    {
        Assert.That((await Read(With((ChatProperties.Logprobs, true)))).TopLogprobs, Is.Zero);
        Assert.That((await Read(With((ChatProperties.Logprobs, true), (ChatProperties.TopLogprobs, 5)))).TopLogprobs, Is.EqualTo(5));
        Assert.That((await Read(With((ChatProperties.Logprobs, false)), new GenerationOptions { TopLogprobs = 2 })).TopLogprobs, Is.Null);
        Assert.That((await Read(With((ChatProperties.Logprobs, null)), new GenerationOptions { TopLogprobs = 2 })).TopLogprobs, Is.EqualTo(2));
    }

    [Test]
    public void Options_ThatCannotBeHonoured_AreRefusedByName()
    {
        Refuses(new() { ModelId = "other" }, "ModelId");
        Refuses(new() { ConversationId = "c" }, "ConversationId");
        Refuses(new() { AllowBackgroundResponses = true }, "AllowBackgroundResponses");
        Refuses(new() { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[1]) }, "ContinuationToken");
        Refuses(new() { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } }, "Reasoning");
        Refuses(new() { Temperature = 2.5f }, "Temperature");
        Refuses(new() { TopP = 0 }, "TopP");
        Refuses(new() { TopK = -1 }, "TopK");
        Refuses(new() { MaxOutputTokens = 0 }, "MaxNewTokens");
        Refuses(new() { FrequencyPenalty = 3 }, "FrequencyPenalty");
        Refuses(new() { StopSequences = [""] }, "empty");
        Refuses(With(("top_a", 1)), "\"top_a\" is not known");
        Refuses(With((ChatProperties.MinP, "much")), "min_p: expected a number, found \"much\"");
        Refuses(With((ChatProperties.MinP, 2)), "MinP");
        Refuses(With((ChatProperties.TopLogprobs, 1.5)), "an integer");
        Refuses(With((ChatProperties.TopLogprobs, 21)), "TopLogprobs");
        Refuses(With((ChatProperties.Logprobs, 1)), "true or false");
        Refuses(With((ChatProperties.Logprobs, false), (ChatProperties.TopLogprobs, 1)), "top_logprobs needs logprobs");
        Refuses(With((ChatProperties.LogitBias, new Dictionary<string, int> { ["a"] = 1 })), "token id");
        Refuses(With((ChatProperties.LogitBias, new[] { 1 })), "an object");
        Refuses(With((ChatProperties.StopTokenIds, 1)), "an array");
        Refuses(With((ChatProperties.Regex, "a"), (ChatProperties.LarkGrammar, "b")), "not both");
        Refuses(With((ChatProperties.Regex, "a"), (ChatProperties.Choice, new[] { "b" })), "not both");
        Refuses(With((ChatProperties.Choice, new[] { "" })), "Choice");
        Refuses(With((ChatProperties.Choice, "a")), ChatProperties.Choice);
        Refuses(With((ChatProperties.ChatTemplateKwargs, new Dictionary<string, object?> { ["messages"] = 1 })), "messages");
        Refuses(With((ChatProperties.ChatTemplateKwargs, 5)), ChatProperties.ChatTemplateKwargs);
        Refuses(With((ChatProperties.ContinueFinalMessage, true)), "assistant");
        Refuses(With((ChatProperties.ContinueFinalMessage, true), (ChatProperties.PlainPrompt, true)), ChatProperties.PlainPrompt);
        ChatOptions two = With((ChatProperties.Regex, "a"));
        two.ResponseFormat = ChatResponseFormat.Json;
        Refuses(two, "one of them only");

        static void Refuses(ChatOptions options, string why) => Assert.That(() => Read(options), Throws.InstanceOf<ArgumentException>().With.Message.Contains(why));
    }

    [Test]
    public void ChatOptions_HasNoFieldThatNobodyThoughtOf()
    {
        string[] known =
        [
            nameof(ChatOptions.AdditionalProperties), nameof(ChatOptions.AllowBackgroundResponses), nameof(ChatOptions.AllowMultipleToolCalls),
            nameof(ChatOptions.ContinuationToken), nameof(ChatOptions.ConversationId), nameof(ChatOptions.FrequencyPenalty),
            nameof(ChatOptions.Instructions), nameof(ChatOptions.MaxOutputTokens), nameof(ChatOptions.ModelId), nameof(ChatOptions.PresencePenalty),
            nameof(ChatOptions.RawRepresentationFactory), nameof(ChatOptions.Reasoning), nameof(ChatOptions.ResponseFormat), nameof(ChatOptions.Seed),
            nameof(ChatOptions.StopSequences), nameof(ChatOptions.Temperature), nameof(ChatOptions.ToolMode), nameof(ChatOptions.Tools),
            nameof(ChatOptions.TopK), nameof(ChatOptions.TopP),
        ];

        Assert.That(typeof(ChatOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(property => property.Name), Is.EquivalentTo(known));
    }

    private static ChatOptions With(params (string Name, object? Value)[] properties)
    {
        AdditionalPropertiesDictionary dictionary = [];
        foreach ((string name, object? value) in properties)
            dictionary[name] = value;
        return new ChatOptions { AdditionalProperties = dictionary };
    }

    private static async Task<GenerationOptions> Read(ChatOptions? options, GenerationOptions? defaults = null)
    {
        ScriptedChatModel model = new(["ok"]);
        using VlmChatClient client = new(model, defaults);
        await client.GetResponseAsync(Hello, options);
        return model.Options[0];
    }
}
