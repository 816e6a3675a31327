using System.Text;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat.Tools;

/// <summary>
/// Reads Gemma 4's notation: converts the arguments to JSON while they are generated. Blanks, quoted keys, texts in JSON's quotes and
/// Python's words are also accepted.
/// </summary>
/// <param name="begin">The token before a call.</param>
/// <param name="end">The token after it.</param>
/// <param name="quote">The token around a text.</param>
internal sealed class GemmaReader(int begin, int end, int quote) : IToolCallReader
{
    private const string BeforeName = "call:";

    private readonly StringBuilder _head = new();
    private readonly StringBuilder _bare = new();
    private readonly StringBuilder _json = new();

    // True for each open object, false for each open array.
    private readonly Stack<bool> _open = new();
    private bool _inCall;
    private bool _inText;
    private bool _inJsonText;
    private bool _isEscaped;
    private bool _isKey;
    private int _calls;
    private int _told;
    private string? _name;
    private string _callId = "";

    public List<AIContent> Read(string text, int? tokenId, bool isLast, List<ToolCallDelta> deltas)
    {
        List<AIContent> contents = [];
        if (!_inCall && text.Length > 0)
            contents.Add(new TextContent(text));
        else if (_inCall)
            Take(text, deltas);
        if (tokenId == begin && !_inCall)
            Begin();
        else if (tokenId == quote && _inCall && _name is not null)
            Quote();
        else if (tokenId == end && _inCall)
            contents.Add(End(deltas));
        if (_inCall)
            Tell(deltas);
        return contents;
    }

    private void Begin()
    {
        _inCall = true;
        _name = null;
        _told = 0;
        _inText = _inJsonText = false;
        _head.Clear();
        _bare.Clear();
        _json.Clear();
        _open.Clear();
    }

    private void Quote()
    {
        _json.Append('"');
        _inText = !_inText;
    }

    private FunctionCallContent End(List<ToolCallDelta> deltas)
    {
        if (_name is null || _open.Count > 0)
            throw new VlmException($"The model wrote a function call of {_head.Length + _json.Length} characters that cannot be read: it ends too early.");
        Tell(deltas);
        _inCall = false;
        _calls++;
        return CallText.Create(_callId, _name, _json.ToString());
    }

    private void Take(string text, List<ToolCallDelta> deltas)
    {
        foreach (char c in text)
        {
            if (_name is null)
                TakeHead(c, deltas);
            else if (_inText)
                SpacedJson.AppendEscaped(_json, c);
            else if (_inJsonText)
                TakeJsonText(c);
            else if (_open.Count > 0)
                TakeStructure(c);
        }
    }

    private void TakeHead(char c, List<ToolCallDelta> deltas)
    {
        if (c != '{')
        {
            _head.Append(c);
            return;
        }
        string head = _head.ToString().Trim();
        _name = head.StartsWith(BeforeName, StringComparison.Ordinal) ? head[BeforeName.Length..].Trim() : head;
        _callId = CallText.NewId();
        deltas.Add(new ToolCallDelta(_calls, _callId, _name, ""));
        TakeStructure('{');
    }

    private void TakeJsonText(char c)
    {
        _json.Append(c);
        _inJsonText = c != '"' || _isEscaped;
        _isEscaped = c == '\\' && !_isEscaped;
    }

    private void TakeStructure(char c)
    {
        switch (c)
        {
            case '{' or '[':
                _json.Append(c);
                _open.Push(c == '{');
                _isKey = c == '{';
                break;
            case '}' or ']':
                EndBare();
                _json.Append(c);
                _open.Pop();
                _isKey = false;
                break;
            case ',':
                EndBare();
                _json.Append(", ");
                _isKey = _open.Peek();
                break;
            case ':' when _isKey:
                if (_bare.Length > 0)
                    _json.Append(SpacedJson.Quote(_bare.ToString().TrimEnd()));
                _bare.Clear();
                _json.Append(": ");
                _isKey = false;
                break;
            case '"' when _bare.Length == 0:
                _json.Append('"');
                _inJsonText = true;
                _isEscaped = false;
                break;
            default:
                if (_bare.Length > 0 || !char.IsWhiteSpace(c))
                    _bare.Append(c);
                break;
        }
    }

    private void EndBare()
    {
        if (_bare.Length == 0)
            return;
        string value = _bare.ToString().TrimEnd();
        _bare.Clear();
        _json.Append(value switch
        {
            "True" => "true",
            "False" => "false",
            "None" => "null",
            "true" or "false" or "null" => value,
            _ => CallText.IsNumber(value) ? value : SpacedJson.Quote(value),
        });
    }

    private void Tell(List<ToolCallDelta> deltas)
    {
        if (_name is null || _json.Length == _told)
            return;
        // Half a surrogate pair waits for the other half.
        int certain = char.IsHighSurrogate(_json[^1]) ? _json.Length - 1 : _json.Length;
        if (certain > _told)
            deltas.Add(new ToolCallDelta(_calls, null, null, _json.ToString(_told, certain - _told)));
        _told = certain;
    }
}
