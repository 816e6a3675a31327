namespace OnnxVlm.Hub;

/// <summary>Why a model could not be pulled, for programs that react to it.</summary>
public enum ModelHubError
{
    /// <summary>Something else; see the message.</summary>
    Other,

    /// <summary>There is no such model, or it is private and the hub does not reveal it.</summary>
    NotFound,

    /// <summary>The model has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The model has terms, and there is no token that identifies the user.</summary>
    GatedWithoutToken,

    /// <summary>The model has terms that the token's account has not accepted.</summary>
    GatedWithoutConsent,

    /// <summary>The hub does not accept the token.</summary>
    TokenRefused,

    /// <summary>The hub refused more requests, even after the wait that it asked for.</summary>
    RateLimited,

    /// <summary>The hub cannot be reached, or keeps answering with errors.</summary>
    Unreachable,

    /// <summary>The network is needed, and <c>HF_HUB_OFFLINE</c> forbids it.</summary>
    Offline,

    /// <summary>The disk has too little room for the model.</summary>
    DiskTooSmall,

    /// <summary>The received bytes differ from what the hub had announced.</summary>
    Damaged,

    /// <summary>The model is not on this machine, and downloading it was not allowed.</summary>
    NotPulled,
}
