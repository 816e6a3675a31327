namespace OnnxVlm.Hub;

/// <summary>What a pull is doing.</summary>
public enum PullStage
{
    /// <summary>Asks the hub what the model is.</summary>
    Asking,

    /// <summary>Waits: for another process that pulls the same model, or because the hub asked for it. The note says why.</summary>
    Waiting,

    /// <summary>Downloads; weights of a checkpoint are quantized and written as they come.</summary>
    Downloading,

    /// <summary>Computes the hashes of the finished files.</summary>
    Finishing,
}
