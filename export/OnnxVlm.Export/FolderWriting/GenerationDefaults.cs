using OnnxVlm.Export.Architectures;
using OnnxVlm.Export.HuggingFace;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Export.FolderWriting;

/// <summary>What a checkpoint says about generation: its end tokens, and <c>generation_config.json</c> where there is one; otherwise greedy.</summary>
internal sealed record GenerationDefaults(
    IReadOnlyList<int> EndTokenIds, bool Sample, double Temperature, int TopK, double TopP, double RepetitionPenalty, IReadOnlyList<int>? SuppressedTokenIds,
    double? MinP = null)
{
    /// <summary>The sampling as the model folder stores it; null where it is greedy, which is transformers' default without <c>do_sample</c>.</summary>
    public SamplingDefaults? Sampling => Sample
        ? new SamplingDefaults
        {
            Temperature = Temperature,
            TopK = TopK,
            TopP = TopP,
            MinP = MinP,
            RepetitionPenalty = RepetitionPenalty == 1 ? null : RepetitionPenalty,
        }
        : RepetitionPenalty == 1 ? null : new SamplingDefaults { RepetitionPenalty = RepetitionPenalty };

    private const string FileName = "generation_config.json";

    /// <exception cref="ModelLoadException">There is no end token, an end token is not in the vocabulary, or a value has the wrong type.</exception>
    public static GenerationDefaults Read(string checkpointFolder, ModelDescription model)
    {
        HfConfig? config = File.Exists(Path.Combine(checkpointFolder, FileName)) ? HfConfig.Load(checkpointFolder, FileName) : null;

        // generation_config.json wins, as in transformers; chat models list more end tokens there.
        int[] ends = config?.OneOrMore("eos_token_id") is { Length: > 0 } more ? more : [.. model.EndTokenIds];
        if (ends.Length == 0)
            throw new ModelLoadException($"{checkpointFolder}: eos_token_id is missing in config.json and {FileName}; an answer would never end");

        return new GenerationDefaults(
            RefuseOutside(ends, "eos_token_id"),
            config?.Optional<bool>("do_sample") ?? false,
            config?.Optional<double>("temperature") ?? 1.0,
            config?.Optional<int>("top_k") ?? 50,
            config?.Optional<double>("top_p") ?? 1.0,
            config?.Optional<double>("repetition_penalty") ?? 1.0,
            config?.OneOrMore("suppress_tokens") is { Length: > 0 } suppressed ? RefuseOutside(suppressed, "suppress_tokens") : null,
            config?.Optional<double>("min_p"));

        int[] RefuseOutside(int[] ids, string key)
        {
            foreach (int id in ids)
            {
                if (id < 0 || id >= model.Vocabulary)
                    throw new ModelLoadException($"{checkpointFolder}: {key}: expected token ids below vocab_size ({model.Vocabulary}), found {id}");
            }

            return ids;
        }
    }
}
