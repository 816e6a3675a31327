using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Schemas;

/// <summary>Literals of every script in enums, constants, property names and patterns: every answer is valid, and every literal can be reached.</summary>
internal sealed class LiteralTests
{
    // ONNXVLM_SEEDS asks for more.
    private static readonly int Seeds = int.TryParse(Environment.GetEnvironmentVariable("ONNXVLM_SEEDS"), out int seeds) ? seeds : 20;

    private static readonly string[] Words =
    [
        "yes", "größe", "да", "нет", "дом", "дым", "Ελλάδα", "Ελλάς", "שלום", "مرحبا", "नमस्ते", "नमक", "ไทย", "ไป", "ქართული", "中文", "中国", "日本語", "日々", "한국어", "한글", "አማርኛ", "ⴰⵣⵓⵍ",
        "👍", "👎", "👍🏽", "👩‍🚀", "👩‍🔬", "🇩🇪", "🇫🇷", "𝄞", "\"quoted\"", "back\\slash", "line\nbreak",
    ];

    [Test]
    public void Grammar_RandomSchemas_EveryAnswerIsValidAndEveryLiteralIsReached([Values] bool hasWholeCharacters)
    {
        using GrammarWriter writer = hasWholeCharacters ? OfCharacters() : GrammarWriter.OfBytes();
        for (int seed = 0; seed < Seeds; seed++)
        {
            (JsonObject schema, string[] reachable) = Create(new Random(seed));
            using Grammar grammar = writer.Compile(Guidance.JsonSchema(schema.ToJsonString()));
            string free = writer.Write(grammar, seed).Text;
            Assert.That(Json.Schema.JsonSchema.FromText(schema.ToJsonString()).Evaluate(JsonElement.Parse(free)).IsValid, Is.True, () => $"{schema.ToJsonString()}\n{free}");
            foreach (string wanted in reachable)
            {
                grammar.Reset();
                Assert.That(writer.Write(grammar, seed, wanted).Text, Is.EqualTo(wanted));
            }
        }
    }

    [Test]
    public async Task Nano_RandomSchemas_EveryAnswerIsValid([Values(0, 1.5)] double temperature)
    {
        for (int seed = 0; seed < Math.Max(1, Seeds / 4); seed++)
        {
            (JsonObject schema, _) = Create(new Random(seed));
            GenerationOptions options = new() { Guidance = Guidance.JsonSchema(schema.ToJsonString()), Temperature = temperature, Seed = seed, MaxNewTokens = 1500 };
            List<GenerationUpdate> updates = await Nano.Model.GenerateAsync(Nano.Model.CreatePrompt([new ChatMessage(ChatRole.User, "да 👍?")]), options).ToListAsync();
            string answer = string.Concat(updates.Select(update => update.Text));

            Assert.That(updates.All(update => !update.Text.Contains('\ufffd', StringComparison.Ordinal)), Is.True);
            Assert.That(Json.Schema.JsonSchema.FromText(schema.ToJsonString()).Evaluate(JsonElement.Parse(answer)).IsValid, Is.True, $"{schema.ToJsonString()}\n{answer}");
        }
    }

    // An object of a constant, an enum and a pattern under names of any script; and each value of the enum as a whole answer.
    private static (JsonObject Schema, string[] Reachable) Create(Random random)
    {
        string[] words = [.. Words.OrderBy(_ => random.Next())];
        string[] plain = [.. words.Where(word => word.AsSpan().IndexOfAny("\"\\\n") < 0)];
        string[] choices = words[..(2 + random.Next(5))];
        JsonObject properties = new()
        {
            [words[10]] = new JsonObject { ["const"] = words[11] },
            [words[12]] = new JsonObject { ["enum"] = new JsonArray([.. choices.Select(choice => (JsonNode)JsonValue.Create(choice))]) },
            [words[13]] = new JsonObject { ["type"] = "string", ["pattern"] = $"^(?:{Regex.Escape(plain[0])}|{Regex.Escape(plain[1])}){{1,3}}$" },
        };
        JsonObject schema = new() { ["type"] = "object", ["properties"] = properties, ["required"] = new JsonArray(words[10], words[12], words[13]), ["additionalProperties"] = false };
        return (schema, [.. choices.Select(choice => $"{{{Quote(words[10])}:{Quote(words[11])},{Quote(words[12])}:{Quote(choice)},{Quote(words[13])}:\"{plain[1]}{plain[0]}\"}}")]);
    }

    private static string Quote(string text) => OnnxVlm.Chat.SpacedJson.Quote(text);

    // Bytes, whole characters, and pieces that end in the middle of one.
    private static GrammarWriter OfCharacters()
    {
        List<string> pieces = ["<unk>", "<end>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), .. Words.SelectMany(word => word.EnumerateRunes()).Where(rune => rune.Value > 0x7f).Select(rune => rune.ToString()).Distinct()];
        Vocabulary vocabulary = TestVocabulary.Load(new
        {
            model = new { type = "BPE", byte_fallback = true, vocab = pieces.Index().ToDictionary(p => p.Item, p => p.Index), merges = Array.Empty<string>() },
            added_tokens = new[] { new { id = 1, content = "<end>", special = true } },
        });
        return new GrammarWriter(vocabulary, vocabulary.Size, 1);
    }
}
