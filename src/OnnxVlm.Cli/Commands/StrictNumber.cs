using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace OnnxVlm.Cli.Commands;

/// <summary>
/// Numbers on the command line, read in the same way on every machine, without any other text. 0,2, 1e999, NaN and text with blanks or
/// separators are not numbers.
/// </summary>
internal static class StrictNumber
{
    /// <summary>An option that takes a number.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="helpName">The name of the number in the help.</param>
    public static Option<double?> Option(string name, string description, string helpName) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result =>
        {
            if (TryParse(result.Tokens[0].Value, out double number))
                return number;
            result.AddError($"{name}: expected a number such as 0.2, found {result.Tokens[0].Value}.");
            return null;
        },
    };

    /// <summary>Reads a finite number: ASCII digits, optionally with a point and an exponent.</summary>
    /// <param name="text">The text.</param>
    /// <param name="number">The number.</param>
    public static bool TryParse(string text, out double number)
    {
        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        number = 0;
        return text.All(c => char.IsAsciiDigit(c) || c is '.' or '-' or '+' or 'e' or 'E')
            && double.TryParse(text, Style, CultureInfo.InvariantCulture, out number) && double.IsFinite(number);
    }
}
