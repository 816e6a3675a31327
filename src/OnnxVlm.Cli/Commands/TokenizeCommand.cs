using System.CommandLine;
using System.Text;
using System.Text.Json.Nodes;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm tokenize</c>: the tokens of a text.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        Argument<DirectoryInfo> model = new("DIR") { Description = "The model folder." };
        Argument<string> text = new("TEXT") { Description = "The text; a special token's text becomes that token." };
        Option<bool> json = SharedOptions.Json();
        Command command = new("tokenize", "Show the tokens of a text.") { model, text, json };
        command.SetWork((result, _) =>
        {
            using VlmModel loaded = SharedOptions.LoadModel(result.GetValue(model)!, "cpu");
            int[] ids = loaded.Tokenizer.Encode(result.GetValue(text)!);
            if (result.GetValue(json))
            {
                Console.Out.WriteLine(CliJson.Object(("ids", CliJson.Array(ids.Select(id => (JsonNode)id))), ("count", ids.Length)).ToJsonString(CliJson.Compact.Options));
                return Task.FromResult(ExitCode.Done);
            }
            foreach (int id in ids)
                Console.Out.WriteLine($"{id,8}  {Show(loaded, id)}");
            Console.Out.WriteLine($"{ids.Length} tokens");
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static string Show(VlmModel model, int id) => model.Vocabulary.IsSpecial(id)
        ? model.Vocabulary.SpecialTokens.First(text => model.Vocabulary.FindSpecial(text) == id)
        : CliJson.Quote(Encoding.UTF8.GetString(model.Vocabulary.BytesOf(id).Span));
}
