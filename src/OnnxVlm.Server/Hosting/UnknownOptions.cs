using System.Collections;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace OnnxVlm.Server.Hosting;

/// <summary>Refuses settings of the service's section that are not options: otherwise a misspelled name would silently have no effect.</summary>
/// <param name="configuration">The configuration.</param>
internal sealed class UnknownOptions(IConfiguration configuration) : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        string[] failures = [.. Find(configuration.GetSection(ServerOptions.Section), typeof(ServerOptions))];
        return failures.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static IEnumerable<string> Find(IConfigurationSection section, Type type)
    {
        if (type != typeof(string) && type.IsAssignableTo(typeof(IEnumerable)))
            return section.GetChildren().SelectMany(item => Find(item, type.GetGenericArguments()[0]));
        if (type.Assembly != typeof(ServerOptions).Assembly && type.Assembly != typeof(VlmOptions).Assembly || type.IsEnum)
            return section.GetChildren().Select(setting => $"{setting.Path} is no option of the service; {section.Path} is a single value.");
        PropertyInfo[] options = type.GetProperties();
        return section.GetChildren().SelectMany(setting =>
            Array.Find(options, option => option.Name.Equals(setting.Key, StringComparison.OrdinalIgnoreCase)) is { } found
                ? Find(setting, found.PropertyType)
                :
                [
                    $"{setting.Path} is no option of the service; {Nearest(setting.Key, options)} "
                    + $"(in the environment: {setting.Path.Replace(":", "__", StringComparison.Ordinal)}).",
                ]);
    }

    private static string Nearest(string key, PropertyInfo[] options)
    {
        (int distance, string name) = options.Select(option => (DistanceOf(key.ToUpperInvariant(), option.Name.ToUpperInvariant()), option.Name)).Min();
        return distance <= Math.Max(2, key.Length / 3) ? $"did you mean {name}?" : $"options are {string.Join(", ", options.Select(option => option.Name))}";
    }

    // Levenshtein's distance.
    private static int DistanceOf(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }
}
