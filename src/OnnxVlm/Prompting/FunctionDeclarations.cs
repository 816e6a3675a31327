using Microsoft.Extensions.AI;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>Functions as OpenAI's objects, the form that templates know.</summary>
internal static class FunctionDeclarations
{
    /// <summary>Converts functions.</summary>
    /// <param name="functions">The functions.</param>
    /// <returns>A list of objects, or None where there are none.</returns>
    public static object ToTemplate(IReadOnlyList<AIFunctionDeclaration> functions)
    {
        if (functions.Count == 0)
            return NoneValue.Instance;
        return new ListValue([.. functions.Select(Convert)]);
    }

    private static object Convert(AIFunctionDeclaration declaration)
    {
        DictValue function = new(), tool = new();
        function.Set("name", TemplateValues.Outside(declaration.Name));
        if (!string.IsNullOrEmpty(declaration.Description))
            function.Set("description", TemplateValues.Outside(declaration.Description));
        function.Set("parameters", TemplateValues.From(declaration.JsonSchema));
        tool.Set("type", TemplateText.Own("function"));
        tool.Set("function", function);
        return tool;
    }
}
