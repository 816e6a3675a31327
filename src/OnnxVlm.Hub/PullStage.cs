namespace OnnxVlm.Hub;

/// <summary>The stages of a pull.</summary>
public enum PullStage
{
    /// <summary>Asks the hub for the model's description.</summary>
    Asking,

    /// <summary>Waits: for another process that pulls the same model, or because the hub asked for it. The note says why.</summary>
    Waiting,

    /// <summary>Downloads; weights of a checkpoint are quantized and written as they arrive.</summary>
    Downloading,

    /// <summary>Computes the hashes of the finished files.</summary>
    Finishing,
}
