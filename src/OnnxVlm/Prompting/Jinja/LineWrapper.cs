namespace OnnxVlm.Prompting.Jinja;

/// <summary>Python's textwrap without changes of white space, as the filter <c>wordwrap</c> uses it for one line.</summary>
/// <param name="width">The most code points of a line.</param>
/// <param name="breaksWords">Whether longer words are broken.</param>
/// <param name="atHyphens">Whether words are broken after hyphens.</param>
/// <param name="run">The rendering.</param>
internal sealed class LineWrapper(int width, bool breaksWords, bool atHyphens, TemplateRun run)
{
    public List<object> Wrap(TemplateText text)
    {
        Stack<TemplateText> chunks = new(Chunks(text).AsEnumerable().Reverse());
        List<object> lines = [];
        while (chunks.Count > 0)
        {
            List<TemplateText> line = [];
            int length = 0;
            // White space at the beginning of a new line is dropped.
            if (lines.Count > 0 && IsSpace(chunks.Peek()))
                chunks.Pop();
            while (chunks.Count > 0 && length + chunks.Peek().CodePoints <= width)
            {
                TemplateText chunk = chunks.Pop();
                length += chunk.CodePoints;
                line.Add(chunk);
            }
            if (chunks.Count > 0 && chunks.Peek().CodePoints > width)
                AddLongWord(chunks, line, width - length);
            if (line.Count > 0 && IsSpace(line[^1]))
                line.RemoveAt(line.Count - 1);
            run.Budget.UseSteps();
            if (line.Count > 0)
                lines.Add(StringMethods.Join(TemplateText.Empty, new ListValue([.. line]), run));
        }
        return lines;
    }

    private void AddLongWord(Stack<TemplateText> chunks, List<TemplateText> line, int left)
    {
        if (!breaksWords)
        {
            if (line.Count == 0)
                line.Add(chunks.Pop());
            return;
        }
        TemplateText word = chunks.Pop();
        int cut = word.UnitOf(Math.Max(1, left));
        if (atHyphens && word.CodePoints > left && left > 0)
        {
            int hyphen = word.Value.AsSpan(0, word.UnitOf(left)).LastIndexOf('-');
            if (hyphen > 0 && word.Value.AsSpan(0, hyphen).IndexOfAnyExcept('-') >= 0)
                cut = hyphen + 1;
        }
        if (left > 0 || line.Count == 0)
            line.Add(word.Slice(0, cut));
        else
            cut = 0;
        run.Budget.UseCharacters(word.Value.Length - cut);
        chunks.Push(word.Slice(cut, word.Value.Length - cut));
    }

    // Chunks are words and the white space between them; a hyphen between letters also ends a word.
    private List<TemplateText> Chunks(TemplateText text)
    {
        List<TemplateText> chunks = [];
        string value = text.Value;
        for (int i = 0; i < value.Length;)
        {
            int end = i + 1;
            bool isSpace = IsSpace(value[i]);
            while (end < value.Length && IsSpace(value[end]) == isSpace && !(atHyphens && !isSpace && EndsPart(value, i, end)))
                end++;
            chunks.Add(text.Slice(i, end - i));
            i = end;
        }
        run.Budget.UseCharacters(value.Length);
        return chunks;
    }

    private static bool EndsPart(string value, int start, int end) =>
        value[end - 1] == '-' && end - 2 >= start && char.IsLetter(value[end - 2])
            && end + 1 < value.Length && char.IsLetter(value[end]) && (char.IsLetter(value[end + 1]) || value[end + 1] == '-');

    private static bool IsSpace(char c) => c is '\t' or '\n' or '\v' or '\f' or '\r' or ' ';

    private static bool IsSpace(TemplateText chunk) => chunk.Value.All(IsSpace);
}
