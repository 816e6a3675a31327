using System.Globalization;
using System.Text;

namespace OnnxVlm.Prompting.Jinja;

/// <summary>C's strftime in the C locale, for strftime_now.</summary>
internal static class TimeFormat
{
    public static string Write(DateTimeOffset time, string format, TemplateBudget budget)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            char flag = format[i + 1] is '-' or '_' or '0' or '^' or '#' ? format[++i] : '\0';
            if (i + 1 == format.Length)
            {
                text.Append('%').Append(flag);
                break;
            }
            string part = Part(time, format[++i]);
            text.Append(flag switch
            {
                '-' => part.TrimStart('0', ' ') is { Length: > 0 } short_ ? short_ : part.Length > 0 ? part[^1..] : part,
                '_' => part.TrimStart('0').PadLeft(part.Length),
                '0' => part.TrimStart(' ').PadLeft(part.Length, '0'),
                '^' => part.ToUpperInvariant(),
                _ => part,
            });
            budget.UseSteps();
        }
        budget.UseCharacters(text.Length);
        return text.ToString();
    }

    private static string Part(DateTimeOffset time, char letter) => letter switch
    {
        'a' => Invariant(time, "ddd"),
        'A' => Invariant(time, "dddd"),
        'b' or 'h' => Invariant(time, "MMM"),
        'B' => Invariant(time, "MMMM"),
        'c' => $"{Invariant(time, "ddd MMM")} {time.Day,2} {Invariant(time, "HH:mm:ss yyyy")}",
        'C' => Two(time.Year / 100),
        'd' => Two(time.Day),
        'D' or 'x' => Invariant(time, "MM'/'dd'/'yy"),
        'e' => time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'f' => Invariant(time, "ffffff"),
        'F' => Invariant(time, "yyyy-MM-dd"),
        'g' => Two(ISOWeek.GetYear(time.DateTime) % 100),
        'G' => ISOWeek.GetYear(time.DateTime).ToString(CultureInfo.InvariantCulture),
        'H' => Two(time.Hour),
        'I' => Two(((time.Hour + 11) % 12) + 1),
        'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
        'k' => time.Hour.ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'l' => (((time.Hour + 11) % 12) + 1).ToString(CultureInfo.InvariantCulture).PadLeft(2),
        'm' => Two(time.Month),
        'M' => Two(time.Minute),
        'n' => "\n",
        'p' => time.Hour < 12 ? "AM" : "PM",
        'P' => time.Hour < 12 ? "am" : "pm",
        'r' => $"{Two(((time.Hour + 11) % 12) + 1)}:{Invariant(time, "mm:ss")} {(time.Hour < 12 ? "AM" : "PM")}",
        'R' => Invariant(time, "HH:mm"),
        's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
        'S' => Two(time.Second),
        't' => "\t",
        'T' or 'X' => Invariant(time, "HH:mm:ss"),
        'u' => (((int)time.DayOfWeek + 6) % 7 + 1).ToString(CultureInfo.InvariantCulture),
        'U' => Two((time.DayOfYear + 6 - (int)time.DayOfWeek) / 7),
        'V' => Two(ISOWeek.GetWeekOfYear(time.DateTime)),
        'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
        'W' => Two((time.DayOfYear + 6 - (((int)time.DayOfWeek + 6) % 7)) / 7),
        'y' => Two(time.Year % 100),
        'Y' => time.Year.ToString(CultureInfo.InvariantCulture),
        // A time without a zone has an empty offset and name, as Python's datetime.now().
        'z' or 'Z' => "",
        '%' => "%",
        _ => "%" + letter,
    };

    private static string Invariant(DateTimeOffset time, string format) => time.ToString(format, CultureInfo.InvariantCulture);

    private static string Two(int number) => number.ToString("00", CultureInfo.InvariantCulture);
}
