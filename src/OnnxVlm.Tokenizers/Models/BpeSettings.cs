using System.Text.Json;
using OnnxVlm.Tokenizers.Reading;

namespace OnnxVlm.Tokenizers.Models;

/// <summary>The settings of a BPE, from <c>model</c> of a <c>tokenizer.json</c>.</summary>
internal sealed record BpeSettings
{
    public required Dictionary<string, int> Vocabulary { get; init; }

    /// <summary>The token that two tokens merge into; the rank is the index in the list.</summary>
    public required Dictionary<(int Left, int Right), (int Rank, int Id)> Merges { get; init; }

    public required int? UnknownId { get; init; }

    public bool FusesUnknown { get; init; }

    public bool HasByteFallback { get; init; }

    public bool IgnoresMerges { get; init; }

    public static BpeSettings Read(JsonKey key)
    {
        foreach (string name in new[] { "dropout", "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (key.Optional(name) is { } setting && !(setting.Kind == JsonValueKind.String && setting.Text().Length == 0)
                && !(setting.Kind == JsonValueKind.Number && setting.Real() == 0))
                throw setting.Unsupported("null");
        }
        JsonKey vocab = key.Required("vocab");
        Dictionary<string, int> vocabulary = [];
        Dictionary<int, string> owners = [];
        foreach ((string token, JsonKey value) in vocab.Members())
        {
            int id = value.Number(AddedToken.MaxId);
            vocabulary[token] = id;
            if (!owners.TryAdd(id, token) && owners[id] != token)
                throw value.Bad("an id for one token only");
        }
        if (vocabulary.Count == 0)
            throw vocab.Bad("at least one token");
        JsonKey? unknown = key.Optional("unk_token");
        return new BpeSettings
        {
            Vocabulary = vocabulary,
            Merges = ReadMerges(key.Required("merges"), vocabulary),
            UnknownId = unknown is not { } named ? null
                : vocabulary.TryGetValue(named.Text(), out int unknownId) ? unknownId
                : throw named.Bad("a token of model.vocab"),
            FusesUnknown = key.Flag("fuse_unk"),
            HasByteFallback = key.Flag("byte_fallback"),
            IgnoresMerges = key.Flag("ignore_merges"),
        };
    }

    // Each merge is two tokens, or in older files one string with a blank between them. If merges are equal, the last one counts.
    private static Dictionary<(int, int), (int, int)> ReadMerges(JsonKey key, Dictionary<string, int> vocabulary)
    {
        Dictionary<(int, int), (int, int)> merges = [];
        int rank = 0;
        foreach (JsonKey item in key.Items())
        {
            string[] pair = item.Kind == JsonValueKind.String ? item.Text().Split(' ') : [.. item.Items().Select(token => token.Text())];
            if (item.Kind == JsonValueKind.String && pair[0].StartsWith("#version", StringComparison.Ordinal))
                continue;
            if (pair.Length != 2)
                throw item.Bad("two tokens");
            if (!vocabulary.TryGetValue(pair[0], out int left)
                || !vocabulary.TryGetValue(pair[1], out int right) || !vocabulary.TryGetValue(pair[0] + pair[1], out int joined))
                throw item.Bad("two tokens that are in model.vocab, as is what they become");
            merges[(left, right)] = (rank++, joined);
        }
        return merges;
    }
}
