using System.Diagnostics.CodeAnalysis;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Hub;

/// <summary>
/// A model by name: <c>OWNER/NAME</c> as on the Hugging Face hub, or a short name of <see cref="ShortNames"/>; then <c>@REVISION</c>, a branch, tag
/// or commit, and <c>:VARIANT</c>, a <see cref="ModelVariant"/> such as <c>int4</c>. Immutable.
/// </summary>
public sealed record ModelReference
{
    private const int MaxNameLength = 96;

    private ModelReference(string id, string? revision, string? variant)
    {
        Id = id;
        Revision = revision;
        Variant = variant;
    }

    /// <summary>Short names of models that are known to work, and their names on the hub.</summary>
    public static IReadOnlyDictionary<string, string> ShortNames { get; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
    {
        ["gemma-4-12b"] = "google/gemma-4-12B-it",
        ["qwen3.5-9b"] = "Qwen/Qwen3.5-9B",
        ["qwen3.5-4b"] = "Qwen/Qwen3.5-4B",
        ["qwen3.5-2b"] = "Qwen/Qwen3.5-2B",
        ["qwen3.5-0.8b"] = "Qwen/Qwen3.5-0.8B",
        ["neo-9b"] = "Paranioar/NEO1_5-9B-SFT",
        ["neo-2b"] = "Paranioar/NEO1_5-2B-SFT",
        ["sensenova-u1-8b"] = "sensenova/SenseNova-U1-8B-MoT",
        ["fuyu-8b"] = "adept/fuyu-8b",
    };

    /// <summary>The name on the hub, <c>OWNER/NAME</c>.</summary>
    public string Id { get; }

    /// <summary>The branch, tag or commit; null for the default branch, <c>main</c>.</summary>
    public string? Revision { get; }

    /// <summary>Which variant of this model on this machine; null for the one that fits best.</summary>
    public string? Variant { get; }

    /// <summary>Reads a name.</summary>
    /// <param name="text">The name.</param>
    /// <exception cref="ArgumentException">The text is not a name of a model.</exception>
    public static ModelReference Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Read(text, out string? problem) ?? throw new ArgumentException($"\"{text}\" {problem}", nameof(text));
    }

    /// <summary>Reads a name.</summary>
    /// <param name="text">The name.</param>
    /// <param name="reference">The name read; null where the text is not a name.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ModelReference? reference) =>
        (reference = text is null ? null : Read(text, out _)) is not null;

    /// <summary>The same model in a variant.</summary>
    public ModelReference WithVariant(string? variant) => new(Id, Revision, variant);

    /// <summary>The form that <see cref="Parse"/> reads.</summary>
    public override string ToString() => $"{Id}{(Revision is null ? "" : "@" + Revision)}{(Variant is null ? "" : ":" + Variant)}";

    private static ModelReference? Read(string text, out string? problem)
    {
        string name = text.Trim();
        string? variant = null, revision = null;
        int colon = name.LastIndexOf(':');
        if (colon >= 0)
            (name, variant) = (name[..colon], name[(colon + 1)..]);
        int at = name.IndexOf('@', StringComparison.Ordinal);
        if (at >= 0)
            (name, revision) = (name[..at], name[(at + 1)..]);
        string id = ShortNames.GetValueOrDefault(name, name);
        problem = !IsId(id) ? $"is not a name of a model: expected OWNER/NAME as on the hub, or one of {string.Join(", ", ShortNames.Keys)}"
            : revision is not null && !IsRevision(revision) ? "has no revision after the @: expected a branch, a tag or a commit"
            : variant is not null && !ModelVariant.TryParse(variant, out _) ? "has no variant after the colon: " +
                $"expected {string.Join(", ", ModelManifest.Precisions)}, with -64 or -128 for the block size, and -cuda or -directml for the device"
            : null;
        return problem is null ? new ModelReference(id, revision, variant) : null;
    }

    /// <summary>The hub's own rules; they also keep the name inside its folder.</summary>
    private static bool IsId(string id)
    {
        string[] parts = id.Split('/');
        return id.Length <= MaxNameLength && parts.Length == 2 && !id.Contains("--", StringComparison.Ordinal)
            && !id.Contains("..", StringComparison.Ordinal) && !id.EndsWith(".git", StringComparison.OrdinalIgnoreCase)
            && parts.All(part => part.Length > 0 && part[0] is not ('.' or '-') && part[^1] is not ('.' or '-')
                && part.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_'));
    }

    private static bool IsRevision(string revision) =>
        revision.Length is > 0 and <= 128 && !revision.Contains("..", StringComparison.Ordinal)
            && !revision.StartsWith('/') && revision.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_' or '/');
}
