using System.Reflection;

namespace OnnxVlm.Server.Wire;

/// <summary>The version of the service.</summary>
internal static class ServiceVersion
{
    /// <summary>The version without what comes after a plus sign.</summary>
    public static string Text { get; } =
        (typeof(ServiceVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0").Split('+')[0];
}
