using System.Reflection;

namespace OnnxVlm.Export.Architectures;

/// <summary>
/// The chat template for checkpoints of an architecture that come without one: the <c>.jinja</c> file beside the architecture's own. The export
/// reports that this template is ours.
/// </summary>
/// <param name="Name">The file's name without its ending.</param>
/// <param name="Tokens">Tokens of the vocabulary that the template spells out. They become special tokens, so that they are never split.</param>
internal sealed record DefaultChatTemplate(string Name, params string[] Tokens)
{
    /// <summary>Whether it also replaces a template of the checkpoint, which is then that of the model it was made from. Default false.</summary>
    public bool ReplacesTemplate { get; init; }

    /// <summary>
    /// Whether an answer begins with reasoning where nobody says anything about it: the variable <c>thinks</c> of the template, where
    /// it has that. Default false.
    /// </summary>
    public bool Thinks { get; init; }

    /// <summary>The template.</summary>
    public string Text => (Thinks ? "{%- set thinks = true -%}\n" : "") + Read($"OnnxVlm.Export.Architectures.{Name}.jinja");

    private static string Read(string resource)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"{resource} is not in the assembly.");
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }
}
