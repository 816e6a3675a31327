using System.Text;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat.Tools;

/// <summary>Reads Qwen 3.5's form: converts the parameters to a JSON object while they are generated.</summary>
/// <param name="functions">The parameters in the schemas, by the functions' names.</param>
internal sealed class QwenXmlReader(IReadOnlyDictionary<string, XmlParameters> functions) : IToolCallReader
{
    private const string BeforeName = "<function=";

    private readonly StringBuilder _held = new();
    private readonly StringBuilder _json = new();
    private State _state;
    private bool _begun;
    private bool _isStreaming;
    private int _calls;
    private int _told;
    private int _parameters;
    private string _name = "";
    private string _key = "";
    private string _callId = "";

    private enum State
    {
        Text,
        Head,
        Parameters,
        Value,
        Tail,
    }

    public List<AIContent> Read(string text, int? tokenId, bool isLast, List<ToolCallDelta> deltas)
    {
        List<AIContent> contents = [];
        _held.Append(text);
        while (Step(contents, deltas, isLast))
        {
        }
        if (_state != State.Text)
            Tell(deltas);
        return contents;
    }

    // Returns whether it advanced; what is still uncertain stays held back.
    private bool Step(List<AIContent> contents, List<ToolCallDelta> deltas, bool isLast)
    {
        string held = _held.ToString();
        switch (_state)
        {
            case State.Text:
                return StepText(held, contents, isLast);
            case State.Head:
                return StepHead(held, deltas);
            case State.Parameters:
                return StepParameters(held);
            case State.Value:
                return StepValue(held);
            default:
                if (!Take(held, ToolCallText.End, out _))
                    return false;
                Tell(deltas);
                contents.Add(CallText.Create(_callId, _name, _json.ToString()));
                _calls++;
                _state = State.Text;
                return true;
        }
    }

    private bool StepText(string held, List<AIContent> contents, bool isLast)
    {
        int found = held.IndexOf(ToolCallText.Start, StringComparison.Ordinal);
        // Line breaks before a call belong to it.
        int certain = found >= 0 ? found : held.Length - (isLast ? 0 : Overlap(held, ToolCallText.Start));
        int end = found < 0 && isLast ? certain : held.AsSpan(0, certain).TrimEnd('\n').Length;
        if (end > 0 && (found >= 0 || end > 0))
        {
            contents.Add(new TextContent(held[..end]));
            _begun = true;
        }
        _held.Clear();
        if (found < 0)
        {
            // Between two calls there is a line break, not text.
            _held.Append(held, end, held.Length - end);
            if (isLast && !_begun && _calls > 0)
                _held.Clear();
            return false;
        }
        _held.Append(held, found + ToolCallText.Start.Length, held.Length - found - ToolCallText.Start.Length);
        _state = State.Head;
        return true;
    }

    private bool StepHead(string held, List<ToolCallDelta> deltas)
    {
        if (!Take(held, ">\n", out string head))
            return false;
        int name = head.IndexOf(BeforeName, StringComparison.Ordinal);
        if (name < 0)
            throw new VlmException($"The model wrote a function call that cannot be read: it does not begin with {BeforeName}NAME>.");
        _name = head[(name + BeforeName.Length)..];
        _callId = CallText.NewId();
        _told = _parameters = 0;
        _json.Clear().Append('{');
        deltas.Add(new ToolCallDelta(_calls, _callId, _name, ""));
        _state = State.Parameters;
        return true;
    }

    private bool StepParameters(string held)
    {
        int end = held.IndexOf(QwenXmlSyntax.EndOfFunction, StringComparison.Ordinal), begin = held.IndexOf(QwenXmlSyntax.BeforeKey, StringComparison.Ordinal);
        if (end >= 0 && (begin < 0 || end < begin))
        {
            Take(held, QwenXmlSyntax.EndOfFunction, out _);
            _json.Append('}');
            _state = State.Tail;
            return true;
        }
        if (begin < 0 || !Take(held, QwenXmlSyntax.AfterKey, out string key))
            return false;
        _key = key[(key.IndexOf(QwenXmlSyntax.BeforeKey, StringComparison.Ordinal) + QwenXmlSyntax.BeforeKey.Length)..];
        _json.Append(_parameters++ > 0 ? ", " : "").Append(SpacedJson.Quote(_key)).Append(": ");
        // Texts are reported while they are generated; the kind of other values is known only at their end.
        _isStreaming = functions.TryGetValue(_name, out XmlParameters? known) && known.IsText(_key);
        if (_isStreaming)
            _json.Append('"');
        _state = State.Value;
        return true;
    }

    private bool StepValue(string held)
    {
        bool isWhole = Take(held, QwenXmlSyntax.AfterValue, out string value);
        if (_isStreaming)
        {
            int certain = isWhole ? value.Length : held.Length - Overlap(held, QwenXmlSyntax.AfterValue);
            foreach (char c in held.AsSpan(0, certain))
                SpacedJson.AppendEscaped(_json, c);
            if (!isWhole)
                _held.Remove(0, certain);
            else
                _json.Append('"');
        }
        else if (isWhole)
            _json.Append(functions.TryGetValue(_name, out XmlParameters? known) ? known.ToJson(_key, value) : SpacedJson.Quote(value));
        if (isWhole)
            _state = State.Parameters;
        return isWhole;
    }

    // The text before a mark; it and the mark are then no longer held back.
    private bool Take(string held, string mark, out string before)
    {
        int found = held.IndexOf(mark, StringComparison.Ordinal);
        before = found < 0 ? "" : held[..found];
        if (found >= 0)
            _held.Remove(0, found + mark.Length);
        return found >= 0;
    }

    private static int Overlap(string text, string mark)
    {
        int length = Math.Min(mark.Length, text.Length);
        while (!text.AsSpan(text.Length - length).SequenceEqual(mark.AsSpan(0, length)))
            length--;
        return length;
    }

    private void Tell(List<ToolCallDelta> deltas)
    {
        if (_json.Length <= _told || _state == State.Head)
            return;
        deltas.Add(new ToolCallDelta(_calls, null, null, _json.ToString(_told, _json.Length - _told)));
        _told = _json.Length;
    }
}
