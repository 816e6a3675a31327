namespace OnnxVlm;

/// <summary>Messages of <see cref="ArgumentException"/> for people who do not program.</summary>
internal static class ArgumentMessage
{
    /// <summary>A message without the name of the parameter, which .NET appends to it.</summary>
    public static string WithoutParameter(string message)
    {
        int parameter = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return parameter >= 0 ? message[..parameter] : message;
    }
}
