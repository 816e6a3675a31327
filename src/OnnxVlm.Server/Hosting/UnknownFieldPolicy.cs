namespace OnnxVlm.Server.Hosting;

/// <summary>How the service treats a field of a request that it does not know.</summary>
public enum UnknownFieldPolicy
{
    /// <summary>The request is refused, and the error names the field: the service does not silently drop what it cannot honour.</summary>
    Refuse,

    /// <summary>The field is ignored, and named once in the log: for clients that cannot be changed.</summary>
    Ignore,
}
