using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat.Tools;

namespace OnnxVlm.Chat;

/// <summary>
/// Splits an answer, while it is generated, into text and function calls. Text that may begin a call is held back. A complete call is returned as a
/// whole, and before that its certain parts as deltas; a call that the end of the answer truncates has only deltas.
/// </summary>
internal sealed class ToolCallReader : IToolCallReader
{
    private const string StartAfterText = "\n" + ToolCallText.Start;
    private const string End = "\n" + ToolCallText.End;
    private const string BeforeName = "\n" + ToolCallText.BeforeName;

    // The brace belongs to the object around the arguments.
    private const string AfterArguments = "}" + End;

    private readonly StringBuilder _held = new();
    private bool _begun;
    private bool _inCall;
    private int _calls;
    private string _callId = "";

    // Characters of the call that its deltas have covered; 0 before the name is known.
    private int _told;

    public List<AIContent> Read(string text, int? tokenId, bool isLast, List<ToolCallDelta> deltas)
    {
        List<AIContent> contents = [];
        string rest = _held.Append(text).ToString();
        _held.Clear();
        while (true)
        {
            string mark = _inCall ? End : _begun ? StartAfterText : StartHere(rest);
            int found = rest.IndexOf(mark, StringComparison.Ordinal);
            if (found < 0)
                break;
            if (_inCall)
            {
                Tell(rest[..(found + End.Length)], deltas);
                if (_told == 0)
                    throw new VlmException($"The model wrote a function call of {found} characters that cannot be read: it does not begin with a name.");
                contents.Add(ParseCall(_callId, rest[..found]));
                _calls++;
                _told = 0;
            }
            else if (found > 0)
                contents.Add(new TextContent(rest[..found]));
            rest = rest[(found + mark.Length)..];
            _begun = true;
            _inCall = !_inCall;
        }
        if (_inCall)
            Tell(rest, deltas);
        int held = _inCall ? rest.Length : isLast ? 0 : LengthOfPossibleStart(rest);
        _held.Append(rest, rest.Length - held, held);
        if (rest.Length > held)
        {
            contents.Add(new TextContent(rest[..^held]));
            _begun = true;
        }
        return contents;
    }

    // Adds the certain parts of a call, given everything of it so far.
    private void Tell(string call, List<ToolCallDelta> deltas)
    {
        if (_told == 0)
        {
            int nameEnd = call.IndexOf(ToolCallText.AfterName, StringComparison.Ordinal);
            if (nameEnd < 0 || !call.StartsWith(BeforeName, StringComparison.Ordinal))
                return;
            string name = Parse(call, () => JsonElement.Parse(call[BeforeName.Length..nameEnd]).GetString()!);
            _callId = $"call_{Guid.NewGuid():N}";
            _told = nameEnd + ToolCallText.AfterName.Length;
            deltas.Add(new ToolCallDelta(_calls, _callId, name, ""));
        }
        int certain = call.Length - LengthOfPossibleStart(call, AfterArguments);
        if (certain <= _told)
            return;
        deltas.Add(new ToolCallDelta(_calls, null, null, call[_told..certain]));
        _told = certain;
    }

    // An answer may begin with a call, without the line break that ends the text before one.
    private static string StartHere(string text) => text.StartsWith(ToolCallText.Start, StringComparison.Ordinal) ? ToolCallText.Start : StartAfterText;

    private int LengthOfPossibleStart(string text)
    {
        if (!_begun && text.Length < ToolCallText.Start.Length && ToolCallText.Start.StartsWith(text, StringComparison.Ordinal))
            return text.Length;
        return LengthOfPossibleStart(text, StartAfterText);
    }

    // The number of characters at the end of a text that may begin a mark, or be all of it.
    private static int LengthOfPossibleStart(string text, string mark)
    {
        int length = Math.Min(mark.Length, text.Length);
        while (!text.AsSpan(text.Length - length).SequenceEqual(mark.AsSpan(0, length)))
            length--;
        return length;
    }

    private static FunctionCallContent ParseCall(string callId, string json) => Parse(json, () =>
    {
        using JsonDocument document = JsonDocument.Parse(json);
        string name = document.RootElement.GetProperty("name").GetString()!;
        Dictionary<string, object?> arguments = document.RootElement.GetProperty("arguments").EnumerateObject()
            .ToDictionary(argument => argument.Name, argument => argument.Value.ValueKind == JsonValueKind.Null ? null : (object?)argument.Value.Clone());
        return new FunctionCallContent(callId, name, arguments);
    });

    private static T Parse<T>(string call, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new VlmException($"The model wrote a function call of {call.Length} characters that cannot be read: {e.Message}", e);
        }
    }
}
