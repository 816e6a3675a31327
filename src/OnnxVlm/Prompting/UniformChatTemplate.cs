using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace OnnxVlm.Prompting;

/// <summary>
/// A chat template that wraps every message in the same text, as ChatML does: a loop over the messages that writes fixed text, the role and the content,
/// then fixed text where an answer is asked for. Anything else that Jinja can say is refused and not guessed.
/// </summary>
internal sealed partial class UniformChatTemplate : IChatTemplate
{
    private readonly List<Part> _beforeMessages = [], _systemDefault = [], _message = [], _answerStart = [];

    private UniformChatTemplate()
    {
    }

    private enum PartKind
    {
        Text,
        Role,
        Content,
    }

    /// <summary>Reads the template of a <c>tokenizer_config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelLoadException">The file is missing or damaged, or has no template.</exception>
    /// <exception cref="UnsupportedModelException">The template is of another kind.</exception>
    public static UniformChatTemplate Load(string path)
    {
        string? template;
        try
        {
            using FileStream stream = File.OpenRead(path);
            using JsonDocument document = JsonDocument.Parse(stream);
            bool hasText = document.RootElement.TryGetProperty("chat_template", out JsonElement value) && value.ValueKind == JsonValueKind.String;
            template = hasText ? value.GetString() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new ModelLoadException($"{path} could not be read: {e.Message} Export or copy the model folder again.", e);
        }
        if (template is null)
            throw new ModelLoadException($"{path}: chat_template: expected a text, found none; export the model with a chat template.");
        return TryParse(template) ?? throw new UnsupportedModelException(
            $"{path}: chat_template: expected a loop that writes every message in the same way, found another template; "
            + "count with an IChatTemplate of your own, or with the loaded model.");
    }

    /// <summary>The same; null where the template is of another kind.</summary>
    /// <exception cref="ModelLoadException">The file is missing or damaged, or has no template.</exception>
    public static UniformChatTemplate? TryLoad(string path)
    {
        try
        {
            return Load(path);
        }
        catch (UnsupportedModelException)
        {
            return null;
        }
    }

    /// <inheritdoc />
    public string Render(IReadOnlyList<TemplateMessage> messages)
    {
        StringBuilder text = new();
        Write(_beforeMessages, null);
        if (messages.Count > 0 && messages[0].Role != "system")
            Write(_systemDefault, null);
        foreach (TemplateMessage message in messages)
            Write(_message, message);
        Write(_answerStart, null);
        return text.ToString();

        void Write(List<Part> parts, TemplateMessage? message)
        {
            foreach (Part part in parts)
                text.Append(part.Kind switch { PartKind.Role => message!.Role, PartKind.Content => message!.Content, _ => part.Text });
        }
    }

    /// <summary>Reads a template; null where it is of another kind.</summary>
    internal static UniformChatTemplate? TryParse(string template)
    {
        UniformChatTemplate result = new();
        // Before the loop, in it, after it, and the two conditions that may stand in these.
        string[] expected = ["for message in messages", "if loop.first and messages[0].role != 'system'", "endif", "endfor", "if add_generation_prompt", "endif"];
        List<Part>[] targets = [result._beforeMessages, result._message, result._systemDefault, result._message, [], result._answerStart, []];
        int state = 0;
        int next = 0;
        bool followsBlock = false;
        foreach (Match tag in Tag().Matches(template))
        {
            bool isBlock = tag.Groups["kind"].Value == "{%";
            string? text = ReadText(template[next..tag.Index], followsBlock, tag);
            if (text is null || (text.Length > 0 && !Add([new Part(PartKind.Text, text)])))
                return null;
            next = tag.Index + tag.Length;
            followsBlock = isBlock;
            if (tag.Groups["right"].Length > 0)
                next = template.Length - template.AsSpan(next).TrimStart(" \t\r\n").Length;

            if (!isBlock)
            {
                if (!Add(ParseOutput(tag.Groups["code"].Value)))
                    return null;
                continue;
            }
            string code = Blanks().Replace(tag.Groups["code"].Value.Replace('"', '\''), " ").Replace("['role']", ".role", StringComparison.Ordinal);
            // The default system message is optional, and only the loop and the answer's start are needed.
            if (state == 1 && code == "endfor")
                state = 3;
            if (state >= expected.Length || code != expected[state])
                return null;
            state++;
            if (state == 2 && result._message.Count > 0)
                return null;
        }
        bool isComplete = state == expected.Length && next == template.Length;
        return isComplete && result._message.Count(part => part.Kind == PartKind.Content) == 1 ? result : null;

        bool Add(List<Part>? parts)
        {
            bool isLoop = targets[state] == result._message;
            if (parts is null || state is 4 or 6 || (!isLoop && parts.Exists(part => part.Kind != PartKind.Text)))
                return false;
            targets[state].AddRange(parts);
            return true;
        }
    }

    // The text before a tag; null for a comment, and where Jinja's settings trim_blocks and lstrip_blocks would decide about blanks.
    private static string? ReadText(string text, bool followsBlock, Match tag)
    {
        bool isStripped = tag.Groups["left"].Length > 0;
        if (isStripped)
            text = text.TrimEnd();
        bool dependsOnSettings = (followsBlock && text.StartsWith('\n')) || (!isStripped && tag.Groups["kind"].Value == "{%" && BlankLineStart().IsMatch(text));
        return dependsOnSettings || text.Contains("{#", StringComparison.Ordinal) ? null : text;
    }

    // 'text' + message.role + message.content, in any order; null for anything else.
    private static List<Part>? ParseOutput(string code)
    {
        List<Part> parts = [];
        Match match = Output().Match(code);
        if (!match.Success)
            return null;
        foreach (Capture term in match.Groups["term"].Captures)
        {
            if (term.Value.StartsWith("message", StringComparison.Ordinal))
                parts.Add(new Part(term.Value.Contains("role", StringComparison.Ordinal) ? PartKind.Role : PartKind.Content, ""));
            else if (Unescape(term.Value[1..^1]) is { } text)
                parts.Add(new Part(PartKind.Text, text));
            else
                return null;
        }
        return parts;
    }

    private static string? Unescape(string literal)
    {
        StringBuilder text = new();
        for (int i = 0; i < literal.Length; i++)
        {
            if (literal[i] != '\\')
                text.Append(literal[i]);
            else if (++i < literal.Length && literal[i] is 'n' or 't' or '\\' or '\'' or '"')
                text.Append(literal[i] switch { 'n' => '\n', 't' => '\t', char other => other });
            else
                return null;
        }
        return text.ToString();
    }

    [GeneratedRegex(@"(?<kind>\{[{%])(?<left>-?)\s*(?<code>.*?)\s*(?<right>-?)[%}]\}", RegexOptions.Singleline)]
    private static partial Regex Tag();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@"(^|\n)[ \t]+$")]
    private static partial Regex BlankLineStart();

    [GeneratedRegex("""
        ^(?:
          (?<term> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*"
            | message(?:\.role|\[\s*['"]role['"]\s*\])
            | message(?:\.content|\[\s*['"]content['"]\s*\])(?:\s*\|\s*trim)? )
          (?:\s*\+\s*(?!$)|$)
        )+$
        """, RegexOptions.Singleline | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Output();

    private readonly record struct Part(PartKind Kind, string Text);
}
