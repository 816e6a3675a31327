namespace OnnxVlm.Generation;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended it, or a stop sequence or stop token was generated.</summary>
    Stop,

    /// <summary>It reached <see cref="GenerationOptions.MaxNewTokens"/> or the end of the context.</summary>
    Length,
}
