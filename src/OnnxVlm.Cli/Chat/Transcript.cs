using System.Text;
using System.Text.Json.Nodes;

namespace OnnxVlm.Cli.Chat;

/// <summary>
/// A conversation as a file: Markdown for reading, JSON for processing. Images are stored as paths, relative to the file if they are beside or below it.
/// </summary>
internal static class Transcript
{
    /// <summary>Formats a conversation by the file's extension.</summary>
    /// <param name="history">The conversation.</param>
    /// <param name="model">Name of the model.</param>
    /// <param name="path">A file that ends in <c>.md</c> or <c>.json</c>.</param>
    /// <exception cref="ArgumentException">The name has another extension.</exception>
    public static string Create(ChatHistory history, string model, string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return Path.GetExtension(path).ToUpperInvariant() switch
        {
            ".MD" or ".MARKDOWN" => ToMarkdown(history, model, folder),
            ".JSON" => ToJson(history, model, folder),
            _ => throw new ArgumentException($"{path}: the name must end in .md or .json, which chooses the format."),
        };
    }

    private static string ToMarkdown(ChatHistory history, string model, string folder)
    {
        StringBuilder text = new($"# Conversation with {model}\n");
        if (history.System is not null)
            Section("System", history.System);
        foreach (ChatTurn turn in history.Turns)
        {
            Section("User", string.Join("\n\n", [.. turn.Images.Select(image => Link(image, folder)), turn.Text]));
            Section("Assistant", turn.End == AnswerEnd.Complete ? turn.Answer : $"{turn.Answer}\n\n*({NameOf(turn.End)})*");
        }
        return text.ToString();

        void Section(string title, string content) => text.Append("\n## ").Append(title).Append("\n\n").Append(content.Trim()).Append('\n');
    }

    private static string Link(Attachment image, string folder) =>
        $"![{Path.GetFileName(image.Path).Replace("]", "\\]", StringComparison.Ordinal)}](<{PathFrom(folder, image)}>)";

    private static string ToJson(ChatHistory history, string model, string folder)
    {
        JsonArray messages = history.System is null ? [] : [CliJson.Object(("role", "system"), ("content", history.System))];
        foreach (ChatTurn turn in history.Turns)
        {
            JsonArray? images = turn.Images.Count == 0 ? null : CliJson.Array(turn.Images.Select(image => (JsonNode)PathFrom(folder, image)));
            messages.Add(CliJson.Object(("role", "user"), ("content", turn.Text), ("images", images)));
            messages.Add(CliJson.Object(("role", "assistant"), ("content", turn.Answer), ("ended", turn.End == AnswerEnd.Complete ? null : NameOf(turn.End))));
        }
        return CliJson.Write(CliJson.Object(("model", model), ("messages", messages))) + "\n";
    }

    private static string NameOf(AnswerEnd end) => end switch
    {
        AnswerEnd.Stopped => "stopped",
        AnswerEnd.Cut => "cut",
        _ => "failed",
    };

    private static string PathFrom(string folder, Attachment image)
    {
        string relative = Path.GetRelativePath(folder, image.Path);
        bool isBelow = !relative.StartsWith("..", StringComparison.Ordinal) && !Path.IsPathRooted(relative);
        return (isBelow ? relative : image.Path).Replace(Path.DirectorySeparatorChar, '/');
    }
}
