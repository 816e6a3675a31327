using System.Diagnostics;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>
/// A string of a template with the origin of each character: either the template's author wrote it, or it came from outside (messages, tools). Every
/// operation keeps the origins, so that the tokenizer can distinguish a special token of the template from one that a message spells. Comparison and
/// hash use only the characters. Immutable. Python counts code points and .NET counts UTF-16 units: members named after code points count as Python
/// does, the others count UTF-16 units.
/// </summary>
[DebuggerDisplay("{Value}")]
internal sealed class TemplateText : IEquatable<TemplateText>
{
    private readonly bool _fromTemplate;

    // Null where all characters have the same origin.
    private readonly bool[]? _origins;

    private int _codePoints = -1;

    /// <summary>A string with one origin.</summary>
    /// <param name="value">The characters.</param>
    /// <param name="fromTemplate">Whether the template's author wrote it.</param>
    public TemplateText(string value, bool fromTemplate)
    {
        Value = value;
        _fromTemplate = fromTemplate;
    }

    /// <summary>A string with an origin for each UTF-16 unit.</summary>
    /// <param name="value">The characters.</param>
    /// <param name="origins">One for each UTF-16 unit; not copied.</param>
    public TemplateText(string value, bool[] origins)
    {
        Value = value;
        _origins = origins;
    }

    public static TemplateText Empty { get; } = new("", fromTemplate: true);

    /// <summary>The characters.</summary>
    public string Value { get; }

    /// <summary>Whether it is markupsafe's Markup, which escapes what is added to it. The filters <c>safe</c> and <c>escape</c> produce it.</summary>
    public bool IsMarkup { get; init; }

    /// <summary>The length as Python counts it.</summary>
    public int CodePoints => _codePoints >= 0 ? _codePoints : _codePoints = Value.Length - CountPairs(Value.AsSpan());

    private bool HasPairs => CodePoints != Value.Length;

    /// <summary>Text that the template's author wrote.</summary>
    public static TemplateText Own(string value) => new(value, fromTemplate: true);

    /// <summary>Whether a UTF-16 unit is from the template.</summary>
    public bool IsFromTemplate(int index) => _origins is null ? _fromTemplate : _origins[index];

    /// <summary>Copies the origins of a range.</summary>
    public void CopyOrigins(int start, Span<bool> target)
    {
        if (_origins is null)
            target.Fill(_fromTemplate);
        else
            _origins.AsSpan(start, target.Length).CopyTo(target);
    }

    /// <summary>A range, in UTF-16 units.</summary>
    public TemplateText Slice(int start, int length)
    {
        if (length == 0)
            return IsMarkup ? new TemplateText("", true) { IsMarkup = true } : Empty;
        if (length == Value.Length)
            return this;
        string value = Value.Substring(start, length);
        return _origins is null
            ? new TemplateText(value, _fromTemplate) { IsMarkup = IsMarkup }
            : new TemplateText(value, _origins.AsSpan(start, length).ToArray()) { IsMarkup = IsMarkup };
    }

    /// <summary>The same origins with other characters, for changes that keep the length.</summary>
    public TemplateText WithValue(string value) =>
        _origins is null ? new TemplateText(value, _fromTemplate) { IsMarkup = IsMarkup } : new TemplateText(value, _origins) { IsMarkup = IsMarkup };

    /// <summary>The same characters and origins, with or without the mark of Markup.</summary>
    public TemplateText AsMarkup(bool isMarkup) =>
        isMarkup == IsMarkup ? this
        : _origins is null ? new TemplateText(Value, _fromTemplate) { IsMarkup = isMarkup }
        : new TemplateText(Value, _origins) { IsMarkup = isMarkup };

    /// <summary>The code point that starts at a UTF-16 unit.</summary>
    public TemplateText CodePointAt(int unit) => Slice(unit, IsPair(Value, unit) ? 2 : 1);

    /// <summary>The UTF-16 unit at which a code point starts; the end of the text for the number of code points.</summary>
    public int UnitOf(int codePoint)
    {
        if (!HasPairs)
            return codePoint;
        int unit = 0;
        for (int i = 0; i < codePoint; i++)
            unit += IsPair(Value, unit) ? 2 : 1;
        return unit;
    }

    /// <summary>The number of code points before a UTF-16 unit.</summary>
    public int CodePointOf(int unit) => HasPairs ? unit - CountPairs(Value.AsSpan(0, unit)) : unit;

    /// <summary>The UTF-16 units at which the code points start, followed by the end.</summary>
    public int[] UnitsOfAll()
    {
        int[] units = new int[CodePoints + 1];
        for (int i = 1; i < units.Length; i++)
            units[i] = units[i - 1] + (IsPair(Value, units[i - 1]) ? 2 : 1);
        return units;
    }

    public bool Equals(TemplateText? other) => other is not null && Value.Equals(other.Value, StringComparison.Ordinal);

    public override bool Equals(object? obj) => Equals(obj as TemplateText);

    public override int GetHashCode() => Value.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Value;

    public static bool IsPair(string text, int unit) => char.IsHighSurrogate(text[unit]) && unit + 1 < text.Length && char.IsLowSurrogate(text[unit + 1]);

    private static int CountPairs(ReadOnlySpan<char> text)
    {
        int pairs = 0;
        for (int i = text.IndexOfAnyInRange('\uD800', '\uDBFF'); i >= 0 && i + 1 < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && char.IsLowSurrogate(text[i + 1]))
            {
                pairs++;
                i++;
            }
        }
        return pairs;
    }
}
