using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Runtime;
using OnnxVlm.Schemas;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Tests.Schemas;

/// <summary>System.Text.Json reads every value that the schema of a type allows.</summary>
internal sealed class TypeSchemaTests
{
    // Of each type; ONNXVLM_SEEDS asks for more.
    private static readonly int Seeds = int.TryParse(Environment.GetEnvironmentVariable("ONNXVLM_SEEDS"), out int seeds) ? seeds : 8;

    private static readonly Type[] Types =
    [
        typeof(bool), typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(Int128), typeof(UInt128),
        typeof(Half), typeof(float), typeof(double), typeof(decimal), typeof(char), typeof(string), typeof(Guid), typeof(Uri), typeof(Version),
        typeof(DateTime), typeof(DateTimeOffset), typeof(DateOnly), typeof(TimeOnly), typeof(TimeSpan), typeof(byte[]), typeof(Memory<byte>), typeof(ReadOnlyMemory<byte>),
        typeof(Level), typeof(Farbe), typeof(Rights), typeof(NumberedRights), typeof(Tiny),
        typeof(int?), typeof(byte?), typeof(char?), typeof(decimal?), typeof(Guid?), typeof(DateTime?), typeof(TimeSpan?), typeof(Farbe?), typeof(Rights?),
        typeof(Person), typeof(Everything), typeof(Tree), typeof(Shape), typeof(Drawing), typeof(KeyValuePair<string, byte>),
        typeof(Dictionary<string, sbyte>), typeof(Dictionary<byte, int>), typeof(Dictionary<sbyte, int>), typeof(Dictionary<short, int>), typeof(Dictionary<ushort, int>), typeof(Dictionary<int, string>),
        typeof(Dictionary<uint, int>), typeof(Dictionary<long, int>), typeof(Dictionary<ulong, int>), typeof(Dictionary<Int128, int>), typeof(Dictionary<UInt128, int>), typeof(Dictionary<Half, int>),
        typeof(Dictionary<float, int>), typeof(Dictionary<double, int>), typeof(Dictionary<decimal, int>), typeof(Dictionary<char, int>), typeof(Dictionary<bool, int>), typeof(Dictionary<Guid, int>),
        typeof(Dictionary<Uri, int>), typeof(Dictionary<Version, int>), typeof(Dictionary<DateTime, int>), typeof(Dictionary<DateTimeOffset, int>), typeof(Dictionary<DateOnly, int>),
        typeof(Dictionary<TimeOnly, int>), typeof(Dictionary<TimeSpan, int>), typeof(Dictionary<Farbe, int>), typeof(Dictionary<Level, int>), typeof(IReadOnlyDictionary<Guid, byte[]>),
        typeof(HashSet<int>), typeof(HashSet<byte>), typeof(ISet<DateOnly>), typeof(List<sbyte?>), typeof(short[]), typeof(JsonNode), typeof(JsonObject), typeof(JsonArray), typeof(JsonElement), typeof(object),
    ];

    private static readonly Type[] NotDescribed = [typeof(Rune), typeof(WithRune), typeof(List<Rune>), typeof(int[,]), typeof(nint), typeof(System.Net.IPAddress)];

    [Flags]
    [JsonConverter(typeof(JsonStringEnumConverter<Rights>))]
    private enum Rights
    {
        None = 0,
        Read = 1,
        Write = 2,
    }

    [Flags]
    private enum NumberedRights : byte
    {
        None = 0,
        Read = 1,
    }

    private enum Level
    {
        Low,
        High = 7,
    }

    [JsonConverter(typeof(JsonStringEnumConverter<Farbe>))]
    private enum Farbe
    {
        Grün,
        [JsonStringEnumMemberName("🔴 rot")]
        Rot,
    }

    [JsonConverter(typeof(JsonNumberEnumConverter<Tiny>))]
    private enum Tiny : sbyte
    {
        A,
    }

    [TestCaseSource(nameof(Types))]
    public void Create_Type_EveryAnswerIsRead(Type type)
    {
        using GrammarWriter writer = GrammarWriter.OfBytes();
        JsonElement schema = TypeSchema.Create(type, AIJsonUtilities.DefaultOptions);
        // As Microsoft.Extensions.AI asks for what is not an object.
        Guidance guidance = schema.ValueKind == JsonValueKind.Object ? Guidance.JsonSchema(schema, "schema") : Guidance.JsonSchema("{}");
        using Grammar grammar = writer.Compile(guidance);
        for (int seed = 0; seed < Seeds; seed++)
        {
            string answer = writer.Write(grammar, seed).Text;
            grammar.Reset();
            Assert.That(() => JsonSerializer.Deserialize(answer, type, AIJsonUtilities.DefaultOptions), Throws.Nothing, $"{schema}\n{answer}");
        }
    }

    [TestCaseSource(nameof(NotDescribed))]
    public void Create_TypeWithoutAJsonForm_IsRefusedByName(Type type) =>
        Assert.That(() => TypeSchema.Create(type, AIJsonUtilities.DefaultOptions), Throws.ArgumentException.With.Message.Contains(type == typeof(WithRune) || type.IsGenericType ? "System.Text.Rune" : type.ToString()));

    [Test]
    public void FunctionSchema_Method_ParametersAreAsNarrowAsTheirTypes()
    {
        AIFunction function = AIFunctionFactory.Create((byte small, byte[] data, Rights rights, Dictionary<Guid, char> map, DateTime? when = null) => 1, "f");
        using GrammarWriter writer = GrammarWriter.OfBytes();
        using Grammar grammar = writer.Compile(Guidance.JsonSchema(FunctionSchema.Create(function).ToJsonString()));
        for (int seed = 0; seed < Seeds; seed++)
        {
            string answer = writer.Write(grammar, seed).Text;
            grammar.Reset();
            AIFunctionArguments arguments = new(JsonSerializer.Deserialize<Dictionary<string, object?>>(answer));
            Assert.That(async () => await function.InvokeAsync(arguments), Throws.Nothing, answer);
        }
    }

    [Test]
    public void FunctionSchema_ParameterWithoutAJsonForm_NamesFunctionAndParameter() =>
        Assert.That(() => FunctionSchema.Create(AIFunctionFactory.Create((Rune letter) => 1, "spell")), Throws.ArgumentException.With.Message.Contains("\"spell\"").And.Message.Contains("letter").And.Message.Contains("Rune"));

    [Test]
    public async Task GetResponseAsync_TypedClient_AsksForTheNarrowSchema()
    {
        using VlmChatClient client = new(Nano.Model);
        ChatOptions options = new() { Temperature = 1.5f, Seed = 3, MaxOutputTokens = 200 };

        Assert.That((await client.GetResponseAsync<byte>("hello", options)).Result, Is.InRange(0, 255));
        Assert.That((await client.GetResponseAsync<Tree>("hello", options)).FinishReason, Is.Not.Null);
        Assert.That(async () => await client.GetResponseAsync<Rune>("hello", options), Throws.ArgumentException.With.Message.Contains("System.Text.Rune"));
    }

    private sealed record Person(string Name, int Age, Farbe Colour, DateOnly? Born);

    private sealed record WithRune(Rune Letter);

    private sealed record Tree(sbyte Value, List<Tree> Children);

    private sealed record Everything(
        byte A, sbyte? B, Half C, Int128 D, decimal E, char F, Guid G, Uri H, Version I, DateTime J, DateTimeOffset K, DateOnly L, TimeOnly M, TimeSpan N, byte[] O, Rights P, Dictionary<DateTime, char> Q);

    [JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
    [JsonDerivedType(typeof(Circle), "circle")]
    [JsonDerivedType(typeof(Group), "group")]
    private abstract record Shape;

    private sealed record Circle(byte Radius) : Shape;

    private sealed record Group(string Name, Shape? Inner) : Shape;

    private sealed record Drawing(List<Shape> Shapes, Dictionary<Farbe, Shape> ByColour);
}
