namespace OnnxVlm.Hub;

/// <summary>What kept a model from being pulled; for programs that want to react to it.</summary>
public enum ModelHubError
{
    /// <summary>Something else; the message tells.</summary>
    Other,

    /// <summary>There is no such model, or it is private and nobody may know.</summary>
    NotFound,

    /// <summary>The model has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The model has terms, and no token says who is asking.</summary>
    GatedWithoutToken,

    /// <summary>The model has terms that the token's account has not accepted.</summary>
    GatedWithoutConsent,

    /// <summary>The hub does not know the token.</summary>
    TokenRefused,

    /// <summary>The hub refused more requests, also after waiting as it said.</summary>
    RateLimited,

    /// <summary>The hub cannot be reached, or stays broken.</summary>
    Unreachable,

    /// <summary>The network is needed, and <c>HF_HUB_OFFLINE</c> forbids it.</summary>
    Offline,

    /// <summary>The disk has not enough room for the model.</summary>
    DiskTooSmall,

    /// <summary>What arrived is not what the hub had promised.</summary>
    Damaged,

    /// <summary>The model is not on this machine, and nobody allowed to download it.</summary>
    NotPulled,
}
