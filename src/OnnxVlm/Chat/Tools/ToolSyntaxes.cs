using OnnxVlm.Prompting;

namespace OnnxVlm.Chat.Tools;

/// <summary>The syntaxes by their names in <c>onnxvlm.json</c>.</summary>
internal static class ToolSyntaxes
{
    /// <summary>A JSON object between <c>&lt;tool_call&gt;</c> and <c>&lt;/tool_call&gt;</c>.</summary>
    public const string Hermes = "hermes";

    /// <summary>Gemma 4's own notation between special tokens.</summary>
    public const string Gemma = "gemma";

    /// <summary>Qwen 3.5's parameters as XML.</summary>
    public const string QwenXml = "qwen_xml";

    /// <summary>All names.</summary>
    public static IReadOnlyList<string> Names { get; } = [Hermes, Gemma, QwenXml];

    /// <summary>Creates a syntax.</summary>
    /// <param name="name">Its name; null for <see cref="Hermes"/>.</param>
    /// <param name="vocabulary">The model's tokens.</param>
    /// <exception cref="ModelLoadException">The syntax needs a token that the vocabulary does not have.</exception>
    public static IToolSyntax Create(string? name, Vocabulary vocabulary) => name switch
    {
        Gemma => new GemmaSyntax(vocabulary),
        QwenXml => new QwenXmlSyntax(),
        _ => HermesSyntax.Instance,
    };
}
