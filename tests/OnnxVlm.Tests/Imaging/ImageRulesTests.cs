using System.Text.Json;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Tests.Imaging;

public sealed class ImageRulesTests
{
    [TestCase(70)]
    [TestCase(1120)]
    public void WithBudget_OneOfTheModels_IsTaken(int budget) => Assert.That(Filling.WithBudget(budget).MaxPatches, Is.EqualTo(budget));

    [Test]
    public void WithBudget_AnotherOrNone_IsRefused()
    {
        Assert.That(() => Filling.WithBudget(100), Throws.ArgumentException.With.Message.Contains("takes 70, 280, 1120, found 100"));
        Assert.That(() => (Filling with { Resize = new ResizeRule { Rule = ResizeMode.Keep, Filter = ResizeFilter.Bicubic, MaxPatches = 280 } }).WithBudget(70), Throws.ArgumentException.With.Message.Contains("no budget"));
        Assert.That(() => (Filling with { Resize = Filling.Resize with { MaxPatches = 100 } }).Validate(), Throws.ArgumentException.With.Message.StartsWith("image.resize.max_patches: expected one of 70, 280, 1120, found 100"));
    }

    [TestCase(63, "takes 64 to 4096, found 63")]
    [TestCase(4097, "takes 64 to 4096, found 4097")]
    public void WithBudget_OfSmartResizeOutsideItsLimits_IsRefused(int budget, string message) =>
        Assert.That(() => Smart.WithBudget(budget), Throws.ArgumentException.With.Message.Contains(message));

    [TestCase(64)]
    [TestCase(1000)]
    [TestCase(4096)]
    public void WithBudget_OfSmartResize_IsKeptByEveryImageThatIsNotElongated(int budget)
    {
        ImageRules rules = Smart.WithBudget(budget);
        rules.Validate();
        Random random = new(2);
        for (int round = 0; round < 500; round++)
        {
            int width = random.Next(40, 4000), height = (int)(width * (0.6 + random.NextDouble()));
            Assert.That(PatchShape.Of(rules, width, height).Count, Is.LessThanOrEqualTo(budget < 100 ? 100 : budget), $"{width}×{height}");
        }
    }

    private static ImageRules Smart { get; } = new()
    {
        PatchSize = 32,
        PatchLayout = PatchLayout.ChannelRowColumn,
        Resize = new ResizeRule { Rule = ResizeMode.SmartResize, Filter = ResizeFilter.Bicubic, MinPixels = 65536, MaxPixels = 4194304 },
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        HasPositions = true,
        Tokens = new ImageTokens { Placeholder = 5 },
    };

    private static ImageRules Filling { get; } = new()
    {
        PatchSize = 48,
        PatchLayout = PatchLayout.RowColumnChannel,
        Resize = new ResizeRule { Rule = ResizeMode.FillArea, Filter = ResizeFilter.Bicubic, MaxPatches = 280, Budgets = [70, 280, 1120] },
        Padding = new PaddingRule { Mode = PaddingMode.Edge },
        HasPositions = true,
        Tokens = new ImageTokens { Placeholder = 5 },
    };

    private const string Nano = """
        {"patch_size":8,"patch_layout":"row_column_channel",
         "resize":{"rule":"fit","filter":"bilinear","max_patches":256,"max_rows":32,"max_columns":32},
         "padding":{"mode":"edge"},"has_positions":true,"tokens":{"placeholder":5,"row_end":6,"begin":3,"end":4}}
        """;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    [Test]
    public void Serialize_RulesThatWereRead_GivesTheSameJson()
    {
        ImageRules rules = JsonSerializer.Deserialize<ImageRules>(Nano, Json)!;
        rules.Validate();
        Assert.That(JsonSerializer.Serialize(rules, Json), Is.EqualTo(Nano.ReplaceLineEndings("").Replace(" ", "", StringComparison.Ordinal)));
    }

    [TestCase("\"patch_size\":8", "\"patch_size\":0", "image.patch_size: expected 1 to 256, found 0")]
    [TestCase("\"max_patches\":256", "\"max_patches\":-3", "image.resize.max_patches: expected 1 to 65536, found -3")]
    [TestCase("\"max_patches\":256,", "", "image.resize.max_patches: the rule \"fit\" needs it, and it is missing")]
    [TestCase("\"max_rows\":32", "\"max_width_px\":32", "image.resize.max_width_px: the rule \"fit\" does not use it, found 32")]
    [TestCase("\"max_patches\":256", "\"max_patches\":256,\"max_enlargement\":0.5", "image.resize.max_enlargement: expected 1 to 16, found 0.5")]
    [TestCase("\"fit\"", "\"fill_area\",\"max_enlargement\":1.5", "image.resize.max_enlargement: the rule \"fill_area\" does not use it, found 1.5")]
    [TestCase("\"fit\"", "\"shrink_to_box\"", "image.resize.max_patches: the rule \"shrink_to_box\" does not use it, found 256")]
    [TestCase("\"fit\"", "\"smart_resize\"", "image.resize.max_patches: the rule \"smart_resize\" does not use it, found 256")]
    [TestCase("\"rule\":\"fit\",\"filter\":\"bilinear\",\"max_patches\":256,\"max_rows\":32,\"max_columns\":32", "\"rule\":\"smart_resize\",\"filter\":\"bicubic\",\"min_pixels\":9", "image.resize.max_pixels: the rule \"smart_resize\" needs it, and it is missing")]
    [TestCase("\"rule\":\"fit\",\"filter\":\"bilinear\",\"max_patches\":256,\"max_rows\":32,\"max_columns\":32", "\"rule\":\"smart_resize\",\"filter\":\"bicubic\",\"min_pixels\":9,\"max_pixels\":8", "image.resize.min_pixels: expected at most max_pixels (8), found 9")]
    [TestCase("\"begin\":3", "\"begin\":3,\"text_after\":\"\"", "image.tokens.text_after: expected 1 to 16 characters, found 0")]
    [TestCase("\"edge\"", "\"constant\"", "image.padding.value: the mode \"constant\" needs it, and it is missing")]
    [TestCase("{\"mode\":\"edge\"}", "{\"mode\":\"edge\",\"value\":1}", "image.padding.value: the mode \"edge\" does not use it, found 1")]
    [TestCase("{\"mode\":\"edge\"}", "{\"mode\":\"constant\",\"value\":256}", "image.padding.value: expected 0 to 255, found 256")]
    [TestCase("{\"mode\":\"edge\"}", "null", "image.padding: expected an object, found null")]
    [TestCase("\"placeholder\":5", "\"placeholder\":-5", "image.tokens.placeholder: expected 0 or more, found -5")]
    public void Validate_BadValue_NamesKeyExpectedAndFound(string old, string replacement, string message)
    {
        string json = Nano.Replace(old, replacement, StringComparison.Ordinal);
        Assert.That(json, Is.Not.EqualTo(Nano));
        Assert.That(() => JsonSerializer.Deserialize<ImageRules>(json, Json)!.Validate(), Throws.ArgumentException.With.Message.StartsWith(message));
    }

    [TestCase("\"patch_size\":8", "\"patch_size\":8,\"unknown\":1")]
    [TestCase("\"begin\":3", "\"beginning\":3")]
    [TestCase("\"bilinear\"", "\"lanczos\"")]
    [TestCase("\"bilinear\"", "1")]
    [TestCase("\"has_positions\":true,", "")]
    public void Deserialize_UnknownOrMissingKeyOrName_Throws(string old, string replacement)
    {
        string json = Nano.Replace(old, replacement, StringComparison.Ordinal);
        Assert.That(json, Is.Not.EqualTo(Nano));
        Assert.That(() => JsonSerializer.Deserialize<ImageRules>(json, Json), Throws.TypeOf<JsonException>());
    }
}
