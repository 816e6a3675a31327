using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using OnnxVlm.Schemas;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// Gemma 4's notation: <c>call:NAME{key:value,…}</c> between two special tokens, and each text of a value between two more. The tokens are recognized
/// by their ids: the contents of a text never end it, and what looks like a call in it is not one.
/// </summary>
internal sealed class GemmaSyntax : IToolSyntax
{
    private readonly int _begin;
    private readonly int _end;
    private readonly int _quote;

    /// <summary>Creates the syntax.</summary>
    /// <param name="vocabulary">The model's tokens.</param>
    /// <exception cref="ModelLoadException">A token of the notation is missing.</exception>
    public GemmaSyntax(Vocabulary vocabulary)
    {
        _begin = Find("<|tool_call>");
        _end = Find("<tool_call|>");
        _quote = Find("<|\"|>");

        int Find(string text) => vocabulary.FindSpecial(text)
            ?? throw new ModelLoadException(
                $"onnxvlm.json says tool_syntax {ToolSyntaxes.Gemma}, but the tokenizer has no special token {text}; export the model again");
    }

    public Guidance CreateGrammar(ToolSet tools, Guidance? answer)
    {
        GemmaValueGrammar values = new(_quote);
        StringBuilder rules = new();
        for (int i = 0; i < tools.Callable.Count; i++)
        {
            AIFunctionDeclaration function = tools.Callable[i];
            string arguments = values.Arguments(FunctionSchema.Create(function), $"Tools: function \"{function.Name}\": parameters");
            rules.Append($"function{i}: {SpacedJson.Quote($"call:{function.Name}")} {arguments}\n");
        }
        StringBuilder grammar = new();
        if (tools.MustCall)
            grammar.Append("start: calls\n");
        else if (answer is null)
            grammar.Append("start: TEXT? calls?\nTEXT: /(.|\\n)+/\n");
        else
            grammar.Append("start: answer | calls\nanswer: %json ").Append(answer.Grammar).Append('\n');
        grammar.Append($"calls: call{(tools.AllowMany ? "+" : "")}\ncall: <[{_begin}]> body <[{_end}]>\n");
        grammar.Append("body: ").AppendJoin(" | ", tools.Callable.Select((_, i) => $"function{i}")).Append('\n').Append(rules).Append(values.Rules);
        return Guidance.FunctionCalls(grammar.ToString(), isJson: tools.MustCall || answer is not null);
    }

    public IToolCallReader CreateReader(ToolSet tools) => new GemmaReader(_begin, _end, _quote);
}
