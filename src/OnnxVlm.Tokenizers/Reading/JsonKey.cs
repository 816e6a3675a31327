using System.Globalization;
using System.Text;
using System.Text.Json;

namespace OnnxVlm.Tokenizers.Reading;

/// <summary>A value of a <c>tokenizer.json</c> with its place in the file, so that an error can name the place in one line.</summary>
/// <param name="file">The file, as messages name it.</param>
/// <param name="path">The key, for example <c>model.vocab</c>.</param>
/// <param name="value">The value.</param>
internal readonly struct JsonKey(string file, string path, JsonElement value)
{
    public string Path => path;

    public JsonValueKind Kind => value.ValueKind;

    /// <summary>The member with this name; null where it is missing or null.</summary>
    public JsonKey? Optional(string name)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Bad("an object");
        return value.TryGetProperty(name, out JsonElement member) && member.ValueKind != JsonValueKind.Null ? new JsonKey(file, Join(name), member) : null;
    }

    /// <summary>The member with this name.</summary>
    public JsonKey Required(string name) =>
        Optional(name) ?? throw new TokenizerException($"{file}: {Join(name)}: missing; download the checkpoint or export the model again.");

    public string Text()
    {
        if (value.ValueKind != JsonValueKind.String)
            throw Bad("a string");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            // Half a surrogate pair as an escape, or bytes that are not UTF-8.
            throw new TokenizerException($"{file}: {path}: expected a string of whole characters, found half of one.", innerException: exception);
        }
    }

    public bool Flag(string name, bool otherwise = false) => Optional(name) switch
    {
        null => otherwise,
        { Kind: JsonValueKind.True } => true,
        { Kind: JsonValueKind.False } => false,
        { } member => throw member.Bad("true or false"),
    };

    /// <summary>An integer from 0 to a limit.</summary>
    public int Number(int most) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= 0 && number <= most
            ? number : throw Bad($"a whole number from 0 to {most.ToString(CultureInfo.InvariantCulture)}");

    public double Real() =>
        value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) ? number : throw Bad("a finite number");

    public IEnumerable<JsonKey> Items()
    {
        if (value.ValueKind != JsonValueKind.Array)
            throw Bad("a list");
        return Enumerate(file, path, value);

        static IEnumerable<JsonKey> Enumerate(string file, string path, JsonElement value)
        {
            int index = 0;
            foreach (JsonElement item in value.EnumerateArray())
                yield return new JsonKey(file, $"{path}[{index++}]", item);
        }
    }

    /// <summary>The members of an object with their names.</summary>
    public IEnumerable<(string Name, JsonKey Value)> Members()
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Bad("an object");
        return Enumerate(this, file, path, value);

        static IEnumerable<(string, JsonKey)> Enumerate(JsonKey key, string file, string path, JsonElement value)
        {
            foreach (JsonProperty member in value.EnumerateObject())
            {
                string name;
                try
                {
                    name = member.Name;
                }
                catch (InvalidOperationException exception)
                {
                    throw new TokenizerException($"{file}: {path}: expected names of whole characters, found half of one.", innerException: exception);
                }
                yield return (name, new JsonKey(file, path, member.Value));
            }
        }
    }

    /// <summary>The error for a value of another form than expected.</summary>
    public TokenizerException Bad(string expected) =>
        new($"{file}: {path}: expected {expected}, found {Found()}; download the checkpoint or export the model again.");

    /// <summary>The error for a value that is well formed but not implemented.</summary>
    public TokenizerException Unsupported(string expected) =>
        new($"{file}: {path}: only {expected} can be followed exactly, found {Found()}.", isUnsupported: true);

    private string Join(string name) => path.Length == 0 ? name : $"{path}.{name}";

    // The beginning of the value, on one line.
    private string Found()
    {
        string raw = value.ValueKind switch
        {
            JsonValueKind.Object => "an object",
            JsonValueKind.Array => "a list",
            JsonValueKind.String => $"\"{Text()}\"",
            _ => value.GetRawText(),
        };
        StringBuilder text = new();
        foreach (char c in raw.AsSpan(0, Math.Min(raw.Length, 60)))
            text.Append(char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029' ? '?' : c);
        return raw.Length > 60 ? $"{text}…" : text.ToString();
    }
}
