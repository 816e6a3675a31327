namespace OnnxVlm.Hub;

/// <summary>The state of a model on this machine.</summary>
public enum LocalModelState
{
    /// <summary>It can be run.</summary>
    Ready,

    /// <summary>A pull was interrupted; pulling it again continues.</summary>
    Partial,

    /// <summary>
    /// Another version of OnnxVlm wrote it, and this one cannot read it. Pulling it again, or <see cref="ModelHub.UpgradeAsync"/>, renews it.
    /// </summary>
    Outdated,
}
