using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace OnnxVlm.Chat;

/// <summary>
/// Takes an answer apart, as it comes, into text and function calls. Text that may begin a call is held back. A call comes when it is whole; one that the end
/// of the answer cuts off never comes.
/// </summary>
internal sealed class ToolCallReader
{
    private const string StartAfterText = "\n" + ToolCallText.Start;
    private const string End = "\n" + ToolCallText.End;

    private readonly StringBuilder _held = new();
    private bool _begun;
    private bool _inCall;

    /// <summary>Takes the next text.</summary>
    /// <param name="text">What the model said; may be empty.</param>
    /// <param name="isLast">Whether the answer ends with it.</param>
    /// <returns>What is certain now, in order.</returns>
    /// <exception cref="VlmException">A call is not what the grammar allows.</exception>
    public List<AIContent> Read(string text, bool isLast)
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
                contents.Add(ParseCall(rest[..found]));
            else if (found > 0)
                contents.Add(new TextContent(rest[..found]));
            rest = rest[(found + mark.Length)..];
            _begun = true;
            _inCall = !_inCall;
        }
        int held = _inCall ? rest.Length : isLast ? 0 : LengthOfPossibleStart(rest);
        _held.Append(rest, rest.Length - held, held);
        if (rest.Length > held)
        {
            contents.Add(new TextContent(rest[..^held]));
            _begun = true;
        }
        return contents;
    }

    // An answer may begin with a call, without the line break that ends the text before one.
    private static string StartHere(string text) => text.StartsWith(ToolCallText.Start, StringComparison.Ordinal) ? ToolCallText.Start : StartAfterText;

    private int LengthOfPossibleStart(string text)
    {
        if (!_begun && text.Length < ToolCallText.Start.Length && ToolCallText.Start.StartsWith(text, StringComparison.Ordinal))
            return text.Length;
        int length = Math.Min(StartAfterText.Length - 1, text.Length);
        while (!text.AsSpan(text.Length - length).SequenceEqual(StartAfterText.AsSpan(0, length)))
            length--;
        return length;
    }

    private static FunctionCallContent ParseCall(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            string name = document.RootElement.GetProperty("name").GetString()!;
            Dictionary<string, object?> arguments = document.RootElement.GetProperty("arguments").EnumerateObject()
                .ToDictionary(argument => argument.Name, argument => argument.Value.ValueKind == JsonValueKind.Null ? null : (object?)argument.Value.Clone());
            return new FunctionCallContent($"call_{Guid.NewGuid():N}", name, arguments);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new VlmException($"The model wrote a function call of {json.Length} characters that cannot be read: {e.Message}", e);
        }
    }
}
