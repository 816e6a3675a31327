using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.HuggingFace;

/// <summary>
/// A Hugging Face JSON file (<c>config.json</c>, <c>preprocessor_config.json</c>) that remembers which keys were read, so that
/// <see cref="RefuseUnread"/> can name the ones that are not implemented. Keys are spelled as on disk.
/// </summary>
internal sealed class HfConfig
{
    private const long MaxBytes = 16 << 20;
    private const int MaxDepth = 16;

    private readonly Dictionary<string, JsonElement> _values;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private readonly List<HfConfig> _sections = [];

    private HfConfig(string path, Dictionary<string, JsonElement> values)
    {
        Path = path;
        _values = values;
    }

    /// <summary>The file's path, for messages.</summary>
    public string Path { get; }

    /// <summary>Stands for a file that the checkpoints of an architecture do not have.</summary>
    public static HfConfig Empty(string folder, string fileName) =>
        new(System.IO.Path.Combine(folder, fileName), new Dictionary<string, JsonElement>(StringComparer.Ordinal));

    /// <summary>Reads a file of a checkpoint folder.</summary>
    /// <exception cref="ModelLoadException">The file is missing, too large or not a JSON object.</exception>
    public static HfConfig Load(string folder, string fileName)
    {
        string path = System.IO.Path.Combine(folder, fileName);
        if (!Directory.Exists(folder))
            throw new ModelLoadException($"{folder}: there is no such checkpoint folder; give the folder of a Hugging Face checkpoint");
        if (!File.Exists(path))
            throw new ModelLoadException($"{path}: missing; give the folder of a complete Hugging Face checkpoint");
        using JsonDocument document = JsonFile.Read(path, MaxBytes, MaxDepth);
        return new HfConfig(
            path, document.RootElement.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.Clone(), StringComparer.Ordinal));
    }

    /// <summary>
    /// Reads <c>preprocessor_config.json</c>. In its absence, reads the image processor's section of <c>processor_config.json</c>, where
    /// transformers 5 writes it.
    /// </summary>
    /// <exception cref="ModelLoadException">Neither is there, or a file is not a JSON object.</exception>
    public static HfConfig LoadImageProcessor(string folder)
    {
        const string Own = "preprocessor_config.json", Shared = "processor_config.json", Section = "image_processor";
        if (File.Exists(System.IO.Path.Combine(folder, Own)) || !File.Exists(System.IO.Path.Combine(folder, Shared)))
            return Load(folder, Own);
        HfConfig shared = Load(folder, Shared);
        return shared.Has(Section) ? shared.Section(Section) : throw new ModelLoadException(
            $"{shared.Path}: {Section} is missing, and there is no {Own}; give the folder of a complete Hugging Face checkpoint");
    }

    /// <summary>The folder of the file.</summary>
    public string Folder => System.IO.Path.GetDirectoryName(Path)!;

    /// <summary>A value that must be there: int, long, double, bool, string or an array of one of them.</summary>
    /// <exception cref="ModelLoadException">The key is missing or null, or its value has another type.</exception>
    public T Require<T>(string key)
        where T : notnull =>
        Find(key) is JsonElement value ? Convert<T>(key, value) : throw new ModelLoadException($"{Path}: {key} is missing; expected {Describe<T>()}");

    /// <summary>A positive whole number that must be there.</summary>
    /// <exception cref="ModelLoadException">The key is missing, or its value is not a number from <paramref name="min"/> to <paramref name="max"/>.</exception>
    public int RequireCount(string key, int min = 1, int max = 1 << 24)
    {
        int value = Require<int>(key);
        return value >= min && value <= max ? value : throw new ModelLoadException($"{Path}: {key}: expected {min} to {max}, found {value}");
    }

    /// <summary>A value that may be missing or null.</summary>
    /// <exception cref="ModelLoadException">The value has another type.</exception>
    public T? Optional<T>(string key)
        where T : struct =>
        Find(key) is JsonElement value ? Convert<T>(key, value) : null;

    /// <summary>A text that may be missing or null.</summary>
    /// <exception cref="ModelLoadException">The value is not a string.</exception>
    public string? OptionalText(string key) => Find(key) is JsonElement value ? Convert<string>(key, value) : null;

    /// <summary>One number for each colour channel; a single number stands for all three.</summary>
    /// <exception cref="ModelLoadException">The key is missing, or its value is neither a number nor three of them.</exception>
    public double[] RequireChannels(string key)
    {
        JsonElement value = Find(key) ?? throw new ModelLoadException($"{Path}: {key} is missing; expected a number or three");
        double[] channels = value.ValueKind == JsonValueKind.Array ? Convert<double[]>(key, value) : [.. Enumerable.Repeat(Convert<double>(key, value), 3)];
        return channels.Length == 3 ? channels : throw new ModelLoadException($"{Path}: {key}: expected one number or three, found {channels.Length}");
    }

    /// <summary>A size that must be there: a positive whole number for both sides, or an object with <c>height</c> and <c>width</c>.</summary>
    /// <exception cref="ModelLoadException">The key is missing, or its value is neither.</exception>
    public (int Height, int Width) RequireSize(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Object } value)
            return (RequireCount(key), RequireCount(key));
        HfConfig size = new($"{Path}: {key}", value.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.Clone(), StringComparer.Ordinal));
        (int Height, int Width) sides = (size.RequireCount("height"), size.RequireCount("width"));
        size.RefuseUnread(key);
        return sides;
    }

    /// <summary>A number that may be missing or null; older configurations write it as an array of one.</summary>
    /// <exception cref="ModelLoadException">The value is neither.</exception>
    public double? OptionalNumber(string key) => Find(key) switch
    {
        null => null,
        JsonElement { ValueKind: JsonValueKind.Array } array when array.GetArrayLength() == 1 => Convert<double>(key, array[0]),
        JsonElement value => Convert<double>(key, value),
    };

    /// <summary>A nested object with keys of its own; <see cref="RefuseUnread"/> covers it too.</summary>
    /// <exception cref="ModelLoadException">The key is missing, or its value is not an object.</exception>
    public HfConfig Section(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Object } value)
            throw new ModelLoadException($"{Path}: {key}: expected an object; give the folder of a complete Hugging Face checkpoint");
        HfConfig section = new(
            $"{Path}: {key}", value.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.Clone(), StringComparer.Ordinal));
        _sections.Add(section);
        return section;
    }

    /// <summary>
    /// Replaces a nested object by its keys. Where both objects have a key, the nested one wins, as in transformers. Does nothing when the object is missing.
    /// </summary>
    /// <exception cref="ModelLoadException">The value is not an object.</exception>
    public void Flatten(string section)
    {
        if (Find(section) is not JsonElement nested)
            return;
        if (nested.ValueKind != JsonValueKind.Object)
            throw new ModelLoadException($"{Path}: {section}: expected an object, found {nested.ValueKind}");
        foreach (JsonProperty entry in nested.EnumerateObject())
            _values[entry.Name] = entry.Value.Clone();
    }

    /// <summary>A token id that may be missing or null.</summary>
    /// <exception cref="ModelLoadException">The value is not below <paramref name="vocabulary"/>.</exception>
    public int? OptionalTokenId(string key, int vocabulary) => Optional<int>(key) is not int id ? null
        : id >= 0 && id < vocabulary ? id
        : throw new ModelLoadException($"{Path}: {key}: expected a token id below vocab_size ({vocabulary}), found {id}");

    /// <summary>A resampling filter in Pillow's numbers.</summary>
    /// <exception cref="UnsupportedModelException">The filter is neither bilinear (2) nor bicubic (3).</exception>
    public ResizeFilter RequireFilter(string key) => Require<int>(key) switch
    {
        2 => ResizeFilter.Bilinear,
        3 => ResizeFilter.Bicubic,
        int found => throw new UnsupportedModelException($"{Path}: {key}: only 2 (bilinear) and 3 (bicubic) are implemented, found {found}"),
    };

    /// <summary>An array of texts that may be missing or null.</summary>
    /// <exception cref="ModelLoadException">The value has another type.</exception>
    public string[]? Texts(string key) => Find(key) is JsonElement value ? Convert<string[]>(key, value) : null;

    /// <summary>A number or an array of numbers; empty when the key is missing or null.</summary>
    /// <exception cref="ModelLoadException">The value has another type.</exception>
    public int[] OneOrMore(string key) => Find(key) is not JsonElement value ? []
        : value.ValueKind == JsonValueKind.Array ? Convert<int[]>(key, value)
        : [Convert<int>(key, value)];

    /// <summary>Requires a key to have this value: what is not implemented is refused, not ignored.</summary>
    /// <exception cref="UnsupportedModelException">The value differs.</exception>
    public void Expect<T>(string key, T expected)
        where T : notnull
    {
        T found = Require<T>(key);
        if (!EqualityComparer<T>.Default.Equals(found, expected))
            throw new UnsupportedModelException($"{Path}: {key}: only {expected} is implemented, found {found}");
    }

    /// <summary>Requires a key to have this value, or to be missing.</summary>
    /// <exception cref="UnsupportedModelException">The value differs.</exception>
    public void ExpectIfPresent<T>(string key, T expected)
        where T : notnull
    {
        if (Find(key) is not null)
            Expect(key, expected);
    }

    /// <summary>Marks keys that do not change the model (provenance, training) as read.</summary>
    public void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys)
            _read.Add(key);
    }

    /// <summary>Whether the key is there and not null. Does not count as reading it.</summary>
    public bool Has(string key) => _values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Whether the key is there and null, which can differ in meaning from a missing key.</summary>
    public bool IsNull(string key) => _values.TryGetValue(key, out JsonElement value) && value.ValueKind == JsonValueKind.Null;

    /// <summary>Throws when the file has keys that were never read and can have an effect. A key that is null has none.</summary>
    /// <exception cref="UnsupportedModelException">There are such keys; the message names them.</exception>
    public void RefuseUnread(string architecture)
    {
        string[] unread = [.. _values.Keys.Where(key => Has(key) && !_read.Contains(key) && !KeysWithoutEffect.Contains(key)).Order(StringComparer.Ordinal)];
        if (unread.Length > 0)
            throw new UnsupportedModelException($"{Path}: {string.Join(", ", unread)}: not implemented for {architecture}; remove it only if it has no effect");
        foreach (HfConfig section in _sections)
            section.RefuseUnread(architecture);
    }

    private JsonElement? Find(string key)
    {
        _read.Add(key);
        return _values.TryGetValue(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private T Convert<T>(string key, JsonElement value)
    {
        try
        {
            T found = value.Deserialize((JsonTypeInfo<T>)ConfigJson.Default.GetTypeInfo(typeof(T))!) ?? throw new JsonException();
            return found is double number && !double.IsFinite(number) ? throw new JsonException() : found;
        }
        catch (JsonException)
        {
            string text = value.GetRawText();
            throw new ModelLoadException($"{Path}: {key}: expected {Describe<T>()}, found {(text.Length > 80 ? text[..80] + "…" : text)}");
        }
    }

    private static string Describe<T>() => typeof(T) switch
    {
        Type type when type == typeof(int) || type == typeof(long) => "a whole number",
        Type type when type == typeof(double) => "a number",
        Type type when type == typeof(bool) => "true or false",
        Type type when type == typeof(string) => "a string",
        _ => "an array",
    };
}
