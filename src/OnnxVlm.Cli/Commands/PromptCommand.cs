using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxVlm.Imaging;
using OnnxVlm.Prompting;

namespace OnnxVlm.Cli.Commands;

/// <summary>
/// <c>onnxvlm prompt</c>: shows the prompt that a model's own chat template makes from a conversation. Only the tokenizer and the template are loaded.
/// </summary>
internal static class PromptCommand
{
    // Images in it are written as text.
    private const int MaxConversationBytes = 256 << 20;

    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.Model();
        Option<FileInfo> messages = new("--messages")
        {
            Description = "A JSON array of messages, in the form of OpenAI or Hugging Face.",
            Required = true,
            HelpName = "FILE",
        };
        Option<FileInfo?> tools = new("--tools") { Description = "A JSON array of tools, in the form of OpenAI.", HelpName = "FILE" };
        Option<bool> reason = new("--reason") { Description = "Tell the template to ask for reasoning." };
        Option<bool> noReason = new("--no-reason") { Description = "Tell the template to suppress reasoning." };
        Option<bool> continues = new("--continue") { Description = "Let the model continue the last message instead of answering it." };
        Option<string[]> variables = new("--set")
        {
            Description = "A variable of the template, " +
                "such as preserve_thinking=true or add_generation_prompt=false; the value is JSON, or else text. Can be given more than once.",
            HelpName = "NAME=VALUE",
        };
        Option<bool> json = SharedOptions.Json();
        Command command = new("prompt", "Show the prompt that the chat template makes of a conversation.")
        {
            model, messages, tools, reason, noReason, continues, variables, json,
        };
        command.SetWork((result, _) =>
        {
            if (result.GetValue(reason) && result.GetValue(noReason))
                throw new WrongArgumentException("--reason and --no-reason contradict each other; leave one out.");
            ChatTemplateOptions options = new()
            {
                AddGenerationPrompt = !result.GetValue(continues),
                ContinueFinalMessage = result.GetValue(continues),
                Reasons = result.GetValue(reason) ? true : result.GetValue(noReason) ? false : null,
                Variables = (result.GetValue(variables) ?? []).Select(ReadVariable).ToDictionary(
                    variable => variable.Name, variable => variable.Value, StringComparer.Ordinal),
            };
            FileInfo file = result.GetValue(messages)!;
            JsonElement conversation = WithImages(ReadArray(file), file.DirectoryName!);
            JsonElement? declared = result.GetValue(tools) is { } toolFile ? ReadArray(toolFile) : null;
            List<string> refused = [];
            (string text, int[] ids) = TokenCounter.Load(result.GetValue(model)!.FullName).Render(conversation, declared, options, refused);
            foreach (string why in refused)
                Console.Error.WriteLine($"note: an image is shown as one placeholder: {why}");
            if (result.GetValue(json))
                Console.Out.WriteLine(CliJson.Object(("prompt", text), ("token_count", ids.Length)).ToJsonString(CliJson.Compact.Options));
            else
            {
                Console.Out.WriteLine(text);
                Console.Error.WriteLine($"{ids.Length} tokens");
            }
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static (string Name, JsonElement Value) ReadVariable(string argument)
    {
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        if (equals < 1)
            throw new WrongArgumentException($"--set: expected NAME=VALUE, found {argument}.");
        string text = argument[(equals + 1)..];
        try
        {
            return (argument[..equals], JsonElement.Parse(text));
        }
        catch (JsonException)
        {
            return (argument[..equals], JsonElement.Parse(JsonValue.Create(text).ToJsonString()));
        }
    }

    private static JsonElement ReadArray(FileInfo file)
    {
        byte[] json = InputFile.ReadBytes(file.FullName, "file", MaxConversationBytes);
        try
        {
            JsonElement array = JsonElement.Parse(json);
            return array.ValueKind == JsonValueKind.Array
                ? array
                : throw new ArgumentException($"{file.FullName}: expected a JSON array, found {array.ValueKind}.");
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"{file.FullName}: not valid JSON: {e.Message}", e);
        }
    }

    // Images that are given as files, relative to the file of messages, become data: URIs.
    private static JsonElement WithImages(JsonElement messages, string folder)
    {
        JsonNode root = JsonNode.Parse(messages.GetRawText())!;
        bool changed = false;
        IEnumerable<JsonArray> contents = root.AsArray().OfType<JsonObject>().Select(message => message["content"]).OfType<JsonArray>();
        foreach (JsonObject part in contents.SelectMany(parts => parts.OfType<JsonObject>()))
        {
            if (part["type"] is not JsonValue type || !type.TryGetValue(out string? kind) || kind is not ("image" or "image_url"))
                continue;
            foreach (string key in new[] { "image_url", "url", "image", "path" })
            {
                JsonNode? value = part[key] is JsonObject inner ? inner["url"] : part[key];
                if (value is not JsonValue given || !given.TryGetValue(out string? text) || text.Contains(':', StringComparison.Ordinal))
                    continue;
                string path = Path.Combine(folder, text);
                part[key] = $"data:image/*;base64,{Convert.ToBase64String(InputFile.ReadBytes(path, "image", new ImageLimits().MaxBytes))}";
                changed = true;
            }
        }
        return changed ? JsonElement.Parse(root.ToJsonString()) : messages;
    }
}
