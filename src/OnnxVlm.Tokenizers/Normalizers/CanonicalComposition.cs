using System.Text;
using OnnxVlm.Tokenizers.Alignment;

namespace OnnxVlm.Tokenizers.Normalizers;

/// <summary>
/// NFC (Unicode Standard Annex 15) of Unicode 9: characters are decomposed, marks are put in order, and both are composed again. Takes time in the
/// order of n log n for n consecutive marks.
/// </summary>
internal sealed class CanonicalComposition : INormalizer
{
    // One letter and three marks, as in U+1F82.
    public int? MostCharactersToOne => 4;

    public AlignedText Normalize(AlignedText text)
    {
        string source = text.Text;
        int unstable = FindUnstable(source, 0);
        if (unstable < 0)
            return text;
        AlignedTextBuilder builder = new(text, source.Length);
        List<Mark> marks = [];
        int done = 0;
        while (unstable >= 0)
        {
            // The range from the preceding character to the next stable one.
            int start = unstable == done ? done : unstable - (char.IsLowSurrogate(source[unstable - 1]) ? 2 : 1);
            builder.Copy(done, start);
            int end = unstable;
            while (end < source.Length && CanonicalData.IsUnstable(Decode(source, end, out int length)))
                end += length;
            Compose(source, start, end, marks, builder);
            done = end;
            unstable = FindUnstable(source, done);
        }
        builder.Copy(done, source.Length);
        return builder.ToText();
    }

    private static int FindUnstable(string text, int start)
    {
        for (int i = start; i < text.Length;)
        {
            // Below the combining marks nothing changes.
            int distance = text.AsSpan(i).IndexOfAnyExceptInRange('\0', '\u02FF');
            if (distance < 0)
                return -1;
            i += distance;
            if (CanonicalData.IsUnstable(Decode(text, i, out int length)))
                return i;
            i += length;
        }
        return -1;
    }

    private static int Decode(string text, int index, out int length)
    {
        Rune.DecodeFromUtf16(text.AsSpan(index), out Rune rune, out length);
        return rune.Value;
    }

    private static void Compose(string text, int start, int end, List<Mark> marks, AlignedTextBuilder builder)
    {
        marks.Clear();
        Span<int> parts = stackalloc int[8];
        for (int i = start, length; i < end; i += length)
        {
            int count = CanonicalData.Decompose(Decode(text, i, out length), parts);
            foreach (int part in parts[..count])
                marks.Add(new Mark(part, CanonicalData.ClassOf(part), i, i + length));
        }
        Order(marks);
        Span<char> units = stackalloc char[2];
        foreach (Mark mark in Join(marks))
            builder.Write(units[..new Rune(mark.Character).EncodeToUtf16(units)], mark.Start, mark.End);
    }

    // Sorts the marks between two starters by class; marks of the same class keep their order.
    private static void Order(List<Mark> marks)
    {
        for (int i = 0; i < marks.Count;)
        {
            int start = i;
            bool isOrdered = true;
            while (i < marks.Count && marks[i].Class != 0)
            {
                isOrdered &= i == start || marks[i].Class >= marks[i - 1].Class;
                i++;
            }
            if (!isOrdered)
            {
                Mark[] ordered = [.. marks[start..i].OrderBy(mark => mark.Class)];
                for (int k = 0; k < ordered.Length; k++)
                    marks[start + k] = ordered[k];
            }
            i = Math.Max(i, start + 1);
        }
    }

    // A mark joins the preceding starter unless a mark between them has the same or a higher class.
    private static ReadOnlySpan<Mark> Join(List<Mark> marks)
    {
        Mark[] result = new Mark[marks.Count];
        int count = 0, starter = -1, lastClass = -1;
        foreach (Mark mark in marks)
        {
            int composed = starter >= 0 && lastClass < mark.Class ? CanonicalData.Compose(result[starter].Character, mark.Character) : 0;
            if (composed != 0)
            {
                Mark first = result[starter];
                result[starter] = new Mark(composed, 0, Math.Min(first.Start, mark.Start), Math.Max(first.End, mark.End));
                continue;
            }
            if (mark.Class == 0)
                (starter, lastClass) = (count, -1);
            else
                lastClass = mark.Class;
            result[count++] = mark;
        }
        return result.AsSpan(0, count);
    }

    private readonly record struct Mark(int Character, byte Class, int Start, int End);
}
