using System.CommandLine;
using System.Text;
using System.Text.Json;

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
                Console.Out.WriteLine(JsonSerializer.Serialize(new { ids, count = ids.Length }, CliJson.Compact));
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
        : JsonSerializer.Serialize(Encoding.UTF8.GetString(model.Vocabulary.BytesOf(id).Span), CliJson.Compact);
}
