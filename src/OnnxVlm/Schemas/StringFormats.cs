namespace OnnxVlm.Schemas;

/// <summary>
/// The formats of JSON Schema as patterns. They are slightly narrower than the standard, so that .NET's own types read every matching text: years
/// have four digits, no offset moves a time out of them, seconds end at 59, and fractions have up to seven digits.
/// </summary>
internal static class StringFormats
{
    /// <summary>One character of the Basic Multilingual Plane, without control characters.</summary>
    public const string BasicCharacter = @"^[\x20-\x7e\u00a0-\ud7ff\ue000-\uffff]$";

    private const string LeapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][48]|[2468]0|[13579][26])00)";
    private const string DayOfYear = "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))";
    private const string Year = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})";

    // With an offset, a time on the first or the last day of the calendar would lie outside it.
    private const string InnerYear = "(?:0[1-9][0-9]{2}|[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])";
    private const string InnerLeapYear =
        "(?:(?:0[1-9]|[1-8][0-9]|9[0-8])(?:0[48]|[2468][048]|[13579][26])|99(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)";
    private const string Date = $"(?:{Year}-{DayOfYear}|{LeapYear}-02-29)";
    private const string Time = @"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,7})?";
    private const string Offset = "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])";
    private const string Byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string Label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    private const string Group = "[0-9a-fA-F]{1,4}";
    private const string Base64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?";

    // RFC 3986: a scheme, then the characters of a URI. Only with a host does .NET's Uri accept the form without exception.
    private const string UriTail = @"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*";

    private static readonly Dictionary<string, string> Patterns = new(StringComparer.Ordinal)
    {
        ["date-time"] = $"^(?:{InnerYear}-{DayOfYear}|{InnerLeapYear}-02-29)T{Time}{Offset}$",
        ["date"] = $"^{Date}$",
        ["time"] = $"^{Time}$",
        ["duration"] = @"^P(?:[0-9]{1,4}W|(?:[0-9]{1,4}Y)?(?:[0-9]{1,3}M)?[0-9]{1,5}D(?:T[0-9]{1,5}H(?:[0-9]{1,5}M)?(?:[0-9]{1,5}(?:\.[0-9]{1,7})?S)?)?" +
            @"|T(?:[0-9]{1,5}H)?(?:[0-9]{1,5}M)?[0-9]{1,5}(?:\.[0-9]{1,7})?S)$",
        ["email"] = $@"^[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:{Label}\.)+[A-Za-z]{{2,24}}$",
        ["idn-email"] = $@"^[\p{{L}}\p{{N}}_+-]+(?:\.[\p{{L}}\p{{N}}_+-]+)*@(?:{Label}\.)+[A-Za-z]{{2,24}}$",
        ["hostname"] = $@"^{Label}(?:\.{Label})*$",
        ["ipv4"] = $@"^(?:{Byte}\.){{3}}{Byte}$",
        ["ipv6"] = $"^(?:(?:{Group}:){{7}}{Group}|(?:{Group}:){{1,5}}(?::{Group}){{1,2}}|::(?:{Group}(?::{Group}){{0,5}})?)$",
        ["uuid"] = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        ["guid"] = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        ["uri"] = $@"^(?:https?|ftp)://(?:{Label}\.)*{Label}(?::[1-9][0-9]{{0,3}})?(?:/{UriTail}(?:#{UriTail})?)?$",
        ["url"] = $@"^(?:https?|ftp)://(?:{Label}\.)*{Label}(?::[1-9][0-9]{{0,3}})?(?:/{UriTail}(?:#{UriTail})?)?$",
        ["base64"] = $"^{Base64}$",
        ["base64url"] = "^[A-Za-z0-9_-]*$",
    };

    // The patterns that .NET's schema exporter writes for these types also match texts that the types do not read.
    private static readonly Dictionary<string, string> Narrower = new(StringComparer.Ordinal)
    {
        [@"^-?(\d+\.)?\d{2}:\d{2}:\d{2}(\.\d{1,7})?$"] = $"^-?(?:[1-9][0-9]{{0,6}}\\.)?{Time}$",
        [@"^\d+(\.\d+){1,3}$"] = @"^(?:0|[1-9][0-9]{0,8})(?:\.(?:0|[1-9][0-9]{0,8})){1,3}$",
        // Pydantic's Decimal.
        [@"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"] = @"^-?(?:0|[1-9][0-9]{0,27})(?:\.[0-9]{1,28})?$",
    };

    /// <summary>The pattern of a format.</summary>
    /// <param name="format">The format's name, or a content encoding's.</param>
    /// <returns>An anchored regular expression; null for a format that is not known.</returns>
    public static string? PatternOf(string format) => Patterns.GetValueOrDefault(format);

    /// <summary>A narrower version of a known pattern, so that the type that it stands for reads every matching text.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <returns>The narrower one, or null for a pattern that is not known.</returns>
    public static string? NarrowerThan(string pattern) => Narrower.GetValueOrDefault(pattern);
}
