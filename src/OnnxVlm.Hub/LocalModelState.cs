namespace OnnxVlm.Hub;

/// <summary>What a model on this machine is good for.</summary>
public enum LocalModelState
{
    /// <summary>It can be run.</summary>
    Ready,

    /// <summary>A pull was interrupted; pulling it again goes on.</summary>
    Partial,

    /// <summary>It was written by another version of OnnxVlm, which this one does not read; pulling it again, or <see cref="ModelHub.UpgradeAsync"/>, renews it.</summary>
    Outdated,
}
