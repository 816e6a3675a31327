using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>Assembles a string and keeps the origin of each character. Every character is counted against the budget before it is written.</summary>
/// <param name="budget">The budget of the rendering.</param>
internal sealed class TemplateTextBuilder(TemplateBudget budget)
{
    private readonly StringBuilder _text = new();

    // Runs of characters with the same origin: the end of each.
    private readonly List<(int End, bool FromTemplate)> _runs = [];

    private int _end;

    public int Length => _text.Length;

    public TemplateTextBuilder Append(TemplateText text) => Append(text, 0, text.Value.Length);

    /// <summary>Appends a range of a text, in UTF-16 units.</summary>
    public TemplateTextBuilder Append(TemplateText text, int start, int length)
    {
        budget.UseCharacters(length);
        _text.Append(text.Value, start, length);
        for (int i = start, end = start + length; i < end;)
        {
            int next = i + 1;
            while (next < end && text.IsFromTemplate(next) == text.IsFromTemplate(i))
                next++;
            Extend(next - i, text.IsFromTemplate(i));
            i = next;
        }
        return this;
    }

    public TemplateTextBuilder Append(string text, bool fromTemplate)
    {
        budget.UseCharacters(text.Length);
        _text.Append(text);
        Extend(text.Length, fromTemplate);
        return this;
    }

    public TemplateTextBuilder Append(char unit, bool fromTemplate)
    {
        budget.UseCharacters(1);
        _text.Append(unit);
        Extend(1, fromTemplate);
        return this;
    }

    /// <summary>Appends text that counts as the template's: punctuation, numbers, literals.</summary>
    public TemplateTextBuilder AppendOwn(string text) => Append(text, fromTemplate: true);

    /// <summary>Appends a text repeatedly; if the result is too long, it is refused before anything is written.</summary>
    public TemplateTextBuilder AppendRepeated(TemplateText text, long count)
    {
        if (count <= 0 || text.Value.Length == 0)
            return this;
        budget.RequireCharacters(count, text.Value.Length);
        if (text.Value.Length == 1)
        {
            budget.UseCharacters(count);
            _text.Append(text.Value[0], (int)count);
            Extend((int)count, text.IsFromTemplate(0));
            return this;
        }
        for (long i = 0; i < count; i++)
            Append(text);
        return this;
    }

    public TemplateText ToText()
    {
        if (_runs.Count <= 1)
            return _text.Length == 0 ? TemplateText.Empty : new TemplateText(_text.ToString(), _runs[0].FromTemplate);
        bool[] origins = new bool[_text.Length];
        int start = 0;
        foreach ((int end, bool fromTemplate) in _runs)
        {
            origins.AsSpan(start, end - start).Fill(fromTemplate);
            start = end;
        }
        return new TemplateText(_text.ToString(), origins);
    }

    private void Extend(int length, bool fromTemplate)
    {
        if (length == 0)
            return;
        _end += length;
        if (_runs.Count > 0 && _runs[^1].FromTemplate == fromTemplate)
            _runs[^1] = (_end, fromTemplate);
        else
            _runs.Add((_end, fromTemplate));
    }
}
