using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Schemas;

/// <summary>The schema that the arguments of a function call follow.</summary>
internal static class FunctionSchema
{
    private static readonly string[] Descriptive = ["title", "description", "default"];

    /// <summary>
    /// Prepares the schema of a function. For a .NET method, the schema of each parameter is as narrow as its type, see <see cref="TypeSchema"/>.
    /// </summary>
    /// <param name="function">The function.</param>
    /// <returns>A schema of an object.</returns>
    /// <exception cref="ArgumentException">A grammar cannot express the schema; the message names the function and the path.</exception>
    public static JsonObject Create(AIFunctionDeclaration function)
    {
        if (function.JsonSchema.ValueKind == JsonValueKind.Undefined)
            return GuidedSchema.Create(JsonElement.Parse("""{"type": "object", "properties": {}}"""));
        string path = $"Tools: function \"{function.Name}\": parameters";
        JsonElement schema = function.JsonSchema;
        if (function is AIFunction { UnderlyingMethod: { } method } && schema.ValueKind == JsonValueKind.Object)
            schema = JsonElement.Parse(NarrowParameters(schema, method, ((AIFunction)function).JsonSerializerOptions, path).ToJsonString());
        JsonObject prepared = GuidedSchema.Create(schema, path);
        if (!prepared.ContainsKey("$ref") && !prepared.ContainsKey("anyOf") && !prepared.ContainsKey("allOf") && !prepared.ContainsKey("oneOf"))
            prepared.TryAdd("type", "object");
        return prepared;
    }

    private static JsonObject NarrowParameters(JsonElement schema, MethodInfo method, JsonSerializerOptions options, string path)
    {
        JsonObject root = JsonNode.Parse(schema.GetRawText())!.AsObject();
        if (root["properties"] is not JsonObject properties)
            return root;
        foreach (ParameterInfo parameter in method.GetParameters())
        {
            if (parameter.Name is not { } name || properties[name] is not JsonNode described)
                continue;
            // A schema that somebody has written for a parameter is kept.
            JsonNode plain = JsonNode.Parse(AIJsonUtilities.CreateJsonSchema(parameter.ParameterType, serializerOptions: options).GetRawText())!;
            if (!JsonNode.DeepEquals(Bare(plain), Bare(described)))
                continue;
            try
            {
                properties[name] = JsonNode.Parse(TypeSchema.Create(parameter.ParameterType, options).GetRawText());
            }
            catch (ArgumentException e)
            {
                throw new ArgumentException($"{path}.properties.{name}: {e.Message}", e);
            }
        }
        return root;
    }

    private static JsonNode Bare(JsonNode node)
    {
        JsonNode copy = node.DeepClone();
        foreach (string name in Descriptive)
            (copy as JsonObject)?.Remove(name);
        return copy;
    }
}
