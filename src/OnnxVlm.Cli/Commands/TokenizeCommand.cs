using System.CommandLine;
using System.Text;
using System.Text.Json.Nodes;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm tokenize</c>: the tokens of a text. Of the model folder only the tokenizer is loaded.</summary>
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
            HuggingFaceTokenizer tokenizer = Load(result.GetValue(model)!.FullName);
            int[] ids = tokenizer.Encode(result.GetValue(text)!);
            if (result.GetValue(json))
            {
                Console.Out.WriteLine(
                    CliJson.Object(("ids", CliJson.Array(ids.Select(id => (JsonNode)id))), ("count", ids.Length)).ToJsonString(CliJson.Compact.Options));
                return Task.FromResult(ExitCode.Done);
            }
            foreach (int id in ids)
                Console.Out.WriteLine($"{id,8}  {Show(tokenizer, id)}");
            Console.Out.WriteLine($"{ids.Length} tokens");
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static HuggingFaceTokenizer Load(string folder) => ModelManifest.Load(folder).HasTokenizer
        ? ModelTokenizer.Load(Path.Combine(folder, "tokenizer.json")).Inner
        : throw new ModelLoadException(
            $"{folder}: the model folder has no tokenizer, because its checkpoint had none; export a checkpoint with a tokenizer.json");

    private static string Show(HuggingFaceTokenizer tokenizer, int id) =>
        tokenizer.IsSpecial(id) ? tokenizer.TokenOf(id)! : CliJson.Quote(Encoding.UTF8.GetString(tokenizer.BytesOf(id).Span));
}
