namespace OnnxVlm.Export;

/// <summary>Where the chat template of a model folder comes from.</summary>
public enum TemplateOrigin
{
    /// <summary>There is none: the model continues plain prompts only.</summary>
    None,

    /// <summary>It comes from the checkpoint.</summary>
    Checkpoint,

    /// <summary>It is OnnxVlm's own, for an architecture whose checkpoints come without one.</summary>
    Architecture,
}
