using OnnxVlm.Export.Blocks;
using OnnxVlm.ModelFolder;
using OnnxVlm.Runtime;

namespace OnnxVlm.Export.Architectures;

/// <summary>What an architecture file tells the writer of the model folder, besides the graph.</summary>
internal sealed record ModelDescription
{
    public required string Architecture { get; init; }

    public required int Vocabulary { get; init; }

    public required int ContextLength { get; init; }

    public required int Layers { get; init; }

    public required AttentionShape Attention { get; init; }

    /// <summary>KV-cache elements of one token, where <see cref="Attention"/> describes only some of the layers; null where all layers are alike.</summary>
    public long? CachedNumbers { get; init; }

    /// <summary>Tokens that a layer with a window sees, where the graph lets such layers' caches lack the first tokens; null for none.</summary>
    public int? EvictingWindow { get; init; }

    /// <summary>Numbers of the cache for one token in these layers.</summary>
    public long EvictingNumbers { get; init; }

    /// <summary>Float32 elements of the recurrent state that a sequence has beside the cache, however long it is; 0 for none.</summary>
    public long StateElements { get; init; }

    public required int? BeginTokenId { get; init; }

    public required IReadOnlyList<int> EndTokenIds { get; init; }

    public required int? PaddingTokenId { get; init; }

    public required ImageRules Image { get; init; }

    /// <summary>The tokens that mark reasoning; null where the model has none.</summary>
    public ReasoningTokens? Reasoning { get; init; }

    /// <summary>How the model writes function calls, as <see cref="ModelManifest.ToolSyntax"/>; null for the Hermes form.</summary>
    public string? ToolSyntax { get; init; }

    /// <summary>The chat template for checkpoints without one; null where the architecture brings none.</summary>
    public DefaultChatTemplate? Template { get; init; }

    /// <summary>Memory of a sequence.</summary>
    /// <param name="numberBytes">Bytes of a number of the cache.</param>
    public CacheSize CacheSize(int numberBytes) => new()
    {
        TokenBytes = ((CachedNumbers ?? ((long)Layers * Attention.CachedNumbers)) - EvictingNumbers) * numberBytes,
        WindowTokenBytes = EvictingNumbers * numberBytes,
        WindowTokens = Runtime.CacheSize.WindowTokensOf(EvictingWindow),
        StateBytes = StateElements * sizeof(float),
    };
}
