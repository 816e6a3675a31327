using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;

namespace OnnxVlm.Runtime;

/// <summary>
/// What grammars need from a model, its vocabulary and its end tokens, as a GenAI model whose graph predicts nothing. Therefore grammars work with
/// any runner of the real model, and with any kind of tokenizer. The native part is created with the first grammar: for a large vocabulary this takes
/// a second or two. Safe to use from several threads.
/// </summary>
/// <param name="vocabulary">The tokens.</param>
/// <param name="width">Width of the logits.</param>
/// <param name="endTokenIds">The tokens that end an answer, at least one.</param>
internal sealed class GrammarModel(Vocabulary vocabulary, int width, IReadOnlyList<int> endTokenIds) : IDisposable
{
    /// <summary>The most tokens of an answer.</summary>
    public const int MaxTokens = 1 << 24;

    /// <summary>The graph's name; it refers to bytes in memory, not to a file.</summary>
    public const string GraphName = "grammar.onnx";

    private readonly Lock _lock = new();
    private GrammarFolder? _folder;
    private Model? _model;
    private bool _disposed;

    /// <summary>Width of the logits.</summary>
    public int Width => width;

    /// <summary>The tokens that end an answer. Where the answer may end, a grammar takes the one with the best score.</summary>
    public IReadOnlyList<int> EndTokenIds => endTokenIds;

    /// <summary>Compiles a grammar for one answer.</summary>
    /// <param name="guidance">The grammar.</param>
    /// <param name="maxTokens">The most tokens of the answer.</param>
    /// <returns>The grammar; the caller disposes it before this.</returns>
    /// <exception cref="ArgumentException">The grammar cannot be compiled.</exception>
    /// <exception cref="ModelLoadException">The model has no tokenizer.</exception>
    public Grammar Create(Guidance guidance, int maxTokens) => new(Load(), this, guidance, maxTokens);

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            if (_model is null)
                return;
            _model.Dispose();
            _model = null;
            _folder!.Dispose();
            NativeOwner.Disposed();
        }
    }

    private Model Load()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_model is not null)
                return _model;
            if (vocabulary.Size == 0)
                throw new ModelLoadException(
                    "The model folder has no tokenizer, so an answer cannot follow a grammar; "
                    + "put tokenizer.json and tokenizer_config.json beside the checkpoint and export it again.");
            GrammarFolder folder = new(vocabulary, width, endTokenIds[0]);
            try
            {
                using Config config = new(folder.FullName);
                config.ClearProviders();
                config.AddModelData(GraphName, GrammarGraph.Create(width));
                _model = new Model(config);
            }
            catch
            {
                folder.Dispose();
                throw;
            }
            _folder = folder;
            NativeOwner.Created();
            return _model;
        }
    }
}
