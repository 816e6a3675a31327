using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Wire;

namespace OnnxVlm.Server.Reading;

/// <summary>
/// Constraints of an answer besides <c>response_format</c>: vLLM's <c>structured_outputs</c> and its older names. Input from strangers is
/// measured before it is compiled.
/// </summary>
/// <param name="limits">The service's limits.</param>
internal sealed class GuidanceReader(ServerOptions limits)
{
    private const int MaxChoices = 1000;

    /// <summary>Sets the constraint of the answer.</summary>
    /// <param name="request">The body.</param>
    /// <param name="options">The options to set.</param>
    /// <param name="schemas">Counts the schemas.</param>
    /// <exception cref="ApiException">It cannot be honoured, or several say something.</exception>
    public void Read(SamplingFields request, ChatOptions options, SchemaBudget schemas)
    {
        StructuredOutputs outputs = request.StructuredOutputs ?? new StructuredOutputs();
        (string Param, Action Apply)[] given =
        [
            .. Given("structured_outputs.json", SamplingReader.IsGiven(outputs.Json), param => SetSchema(param, outputs.Json)),
            .. Given("guided_json", SamplingReader.IsGiven(request.GuidedJson), param => SetSchema(param, request.GuidedJson)),
            .. Given("structured_outputs.json_object", outputs.JsonObject == true, param => SetFormat(param, ChatResponseFormat.Json)),
            .. Given("structured_outputs.regex", outputs.Regex is not null, param => SetRegex(param, outputs.Regex!)),
            .. Given("guided_regex", request.GuidedRegex is not null, param => SetRegex(param, request.GuidedRegex!)),
            .. Given("structured_outputs.choice", outputs.Choice is not null, param => SetChoice(param, outputs.Choice!)),
            .. Given("guided_choice", request.GuidedChoice is not null, param => SetChoice(param, request.GuidedChoice!)),
            .. Given("structured_outputs.grammar", outputs.Grammar is not null, param => SetGrammar(param, outputs.Grammar!)),
            .. Given("guided_grammar", request.GuidedGrammar is not null, param => SetGrammar(param, request.GuidedGrammar!)),
        ];
        if (given.Length > 1)
            throw ApiException.Invalid(given[1].Param, $"{given[0].Param} says what the answer follows too; leave one of the two out.");
        foreach ((string param, Action apply) in given)
        {
            if (options.ResponseFormat is not null)
                throw ApiException.Invalid(param, "response_format says what the answer follows too; leave one of the two out.");
            apply();
        }

        static IEnumerable<(string, Action)> Given(string param, bool isGiven, Action<string> apply) => isGiven ? [(param, () => apply(param))] : [];

        void SetFormat(string param, ChatResponseFormat format) => options.ResponseFormat = format;

        void SetSchema(string param, JsonElement schema) => options.ResponseFormat = ChatResponseFormat.ForJsonSchema(CheckSchema(param, schema, schemas));

        void SetRegex(string param, string expression) =>
            options.AdditionalProperties![ChatProperties.Regex] = Check(param, expression, UntrustedGrammar.CheckRegex);

        void SetGrammar(string param, string grammar) =>
            options.AdditionalProperties![ChatProperties.LarkGrammar] = Check(param, grammar, UntrustedGrammar.CheckLark);

        void SetChoice(string param, IReadOnlyList<string?> choices) => options.AdditionalProperties![ChatProperties.Choice] = CheckChoices(param, choices);
    }

    /// <summary>Checks the texts of a choice.</summary>
    /// <param name="param">The field.</param>
    /// <param name="choices">The texts.</param>
    /// <exception cref="ApiException">There is none, there are too many, one is empty, or they are too long.</exception>
    public string[] CheckChoices(string param, IReadOnlyList<string?> choices)
    {
        if (choices.Count is 0 or > MaxChoices || choices.Any(string.IsNullOrEmpty))
            throw ApiException.Invalid(param, $"expected 1 to {MaxChoices} texts, none of them empty.");
        if (choices.Sum(choice => choice!.Length) > limits.MaxSchemaBytes)
            throw ApiException.Invalid(param, $"the texts may have {limits.MaxSchemaBytes} characters in all; send shorter ones.");
        return [.. choices!];
    }

    private static JsonElement CheckSchema(string param, JsonElement schema, SchemaBudget schemas)
    {
        // vLLM also accepts it as text.
        if (schema.ValueKind == JsonValueKind.String)
        {
            try
            {
                schema = JsonElement.Parse(JsonText.Mend(schema.GetString()!), new JsonDocumentOptions { MaxDepth = 64 });
            }
            catch (JsonException e)
            {
                throw new ApiException(StatusCodes.Status400BadRequest, $"{param}: the text is not JSON.", param, "invalid_schema", e);
            }
        }
        schemas.Check(param, schema);
        return schema;
    }

    private static string Check(string param, string text, Action<string> check)
    {
        try
        {
            check(text);
            return text;
        }
        catch (ArgumentException e)
        {
            string message = AnswerMessage.Of(e);
            int reason = message.IndexOf(": ", StringComparison.Ordinal);
            throw new ApiException(
                StatusCodes.Status400BadRequest, $"{param}: {(reason < 0 ? message : message[(reason + 2)..])}", param, "invalid_grammar", e);
        }
    }
}
