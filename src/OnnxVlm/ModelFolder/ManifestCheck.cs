using System.Globalization;

namespace OnnxVlm.ModelFolder;

/// <summary>Checks of single values of <c>onnxvlm.json</c>; a message names the key, what was expected and what was found.</summary>
internal static class ManifestCheck
{
    public static int Range(int value, int min, int max, string key) =>
        value >= min && value <= max
            ? value
            : throw new ArgumentException(max == int.MaxValue
                ? $"{key}: expected {min} or more, found {value}; export the model again"
                : $"{key}: expected {min} to {max}, found {value}; export the model again");

    public static int? Range(int? value, int min, int max, string key) => value is int number ? Range(number, min, max, key) : null;

    public static double? Range(double? value, double min, double max, string key) =>
        value is null || (value >= min && value <= max)
            ? value
            : throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{key}: expected {min} to {max}, found {value}; export the model again"));

    public static void Present(object? section, string key)
    {
        if (section is null)
            throw new ArgumentException($"{key}: expected an object, found null; export the model again");
    }
}
