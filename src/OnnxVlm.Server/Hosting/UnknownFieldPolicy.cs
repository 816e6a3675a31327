namespace OnnxVlm.Server.Hosting;

/// <summary>What becomes of a field of a request that the service does not know.</summary>
public enum UnknownFieldPolicy
{
    /// <summary>The request is refused, and the error names the field: what cannot be honoured is not dropped.</summary>
    Refuse,

    /// <summary>The field is left out, and named once in the log: for clients that cannot be changed.</summary>
    Ignore,
}
