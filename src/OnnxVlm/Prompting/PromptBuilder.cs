using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Prompting;

/// <summary>
/// Chat messages to a prompt. The template is rendered with a mark in place of every content, and template and contents are tokenized
/// apart: nothing in a message can end a turn or stand for an image. Safe to use from several threads at once.
/// </summary>
public sealed class PromptBuilder
{
    // Private-use characters that no template holds; what is between them is the number of the message.
    private const char MarkStart = '\uE0A0';
    private const char MarkEnd = '\uE0A1';

    private readonly ITokenizer _tokenizer;
    private readonly IChatTemplate _template;
    private readonly ImageTokens _imageTokens;
    private readonly ImageReader _readImage;

    /// <summary>Creates a builder.</summary>
    /// <param name="tokenizer">Encodes the template's own text, special tokens included, and text from outside, without them.</param>
    /// <param name="template">The checkpoint's chat template.</param>
    /// <param name="imageTokens">Tokens that stand for an image.</param>
    /// <param name="preprocessor">Turns an encoded image into patches.</param>
    public PromptBuilder(ITokenizer tokenizer, IChatTemplate template, ImageTokens imageTokens, ImagePreprocessor preprocessor)
        : this(tokenizer, template, imageTokens, (ImageReader)preprocessor.Process)
    {
    }

    internal PromptBuilder(ITokenizer tokenizer, IChatTemplate template, ImageTokens imageTokens, ImageReader readImage)
    {
        _tokenizer = tokenizer;
        _template = template;
        _imageTokens = imageTokens;
        _readImage = readImage;
    }

    /// <summary>Turns an encoded image into patches.</summary>
    internal delegate PatchGrid ImageReader(ReadOnlySpan<byte> encoded, CancellationToken cancellationToken);

    /// <summary>Builds the prompt for the model's next answer.</summary>
    /// <param name="messages">The conversation. Content is <see cref="TextContent"/>, and <see cref="DataContent"/> with an image.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">There is no message, a message has nothing in it, or content of a kind that the model cannot read.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    public Prompt Build(IEnumerable<ChatMessage> messages) => Build(messages, reasons: false);

    /// <summary>Builds the prompt for the model's next answer, with or without reasoning before it.</summary>
    /// <param name="messages">The conversation. Content is <see cref="TextContent"/>, and <see cref="DataContent"/> with an image.</param>
    /// <param name="reasons">Whether the model is to reason first.</param>
    /// <param name="cancellationToken">Ends the building between images, and while one waits to be decoded, with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">As above; or the model's chat template cannot ask for reasoning.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    public Prompt Build(IEnumerable<ChatMessage> messages, bool reasons, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ChatMessage[] conversation = [.. messages];
        if (conversation.Length == 0)
            throw new ArgumentException("There is no message; give the model at least one.", nameof(messages));

        string rendered = _template.Render([.. conversation.Select((message, i) => new TemplateMessage(message.Role.Value, $"{MarkStart}{i}{MarkEnd}"))], reasons);

        SegmentList segments = new();
        HashSet<int> used = [];
        TimeSpan preprocessing = TimeSpan.Zero;
        int next = 0;
        while (next < rendered.Length)
        {
            int mark = rendered.IndexOf(MarkStart, next);
            if (mark < 0)
                mark = rendered.Length;
            if (mark > next)
                segments.AddText(_tokenizer.Encode(rendered[next..mark]));
            if (mark == rendered.Length)
                break;
            int end = rendered.IndexOf(MarkEnd, mark);
            int index = int.Parse(rendered.AsSpan(mark + 1, end - mark - 1), CultureInfo.InvariantCulture);
            preprocessing += AddContent(segments, conversation[index], cancellationToken);
            used.Add(index);
            next = end + 1;
        }
        if (used.Count != conversation.Length)
        {
            ChatMessage dropped = conversation[Enumerable.Range(0, conversation.Length).First(i => !used.Contains(i))];
            throw new ArgumentException($"The model's chat template has no place for a {dropped.Role} message here; leave it out.", nameof(messages));
        }
        return new Prompt(segments.ToArray(), preprocessing);
    }

    /// <summary>Turns text and images into segments without the template around them, for content in the middle of an answer.</summary>
    /// <param name="contents"><see cref="TextContent"/>, and <see cref="DataContent"/> with an image.</param>
    /// <returns>The segments; none where the contents are empty.</returns>
    /// <exception cref="ArgumentException">Content of a kind that the model cannot read.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    public IReadOnlyList<PromptSegment> Encode(IReadOnlyList<AIContent> contents) => Encode(contents, CancellationToken.None);

    internal IReadOnlyList<PromptSegment> Encode(IReadOnlyList<AIContent> contents, CancellationToken cancellationToken)
    {
        SegmentList segments = new();
        AddContents(segments, contents, cancellationToken);
        return segments.ToArray();
    }

    private TimeSpan AddContent(SegmentList segments, ChatMessage message, CancellationToken cancellationToken)
    {
        (bool empty, TimeSpan preprocessing) = AddContents(segments, message.Contents, cancellationToken);
        return empty && message.Role == ChatRole.User
            ? throw new ArgumentException("The prompt is empty; give the model some text or an image.", nameof(message))
            : preprocessing;
    }

    private (bool Empty, TimeSpan Preprocessing) AddContents(SegmentList segments, IEnumerable<AIContent> contents, CancellationToken cancellationToken)
    {
        bool empty = true;
        long preprocessing = 0;
        // Neighbouring texts are one text to the model, and are encoded as one.
        StringBuilder text = new();
        bool afterImage = false;
        foreach (AIContent content in contents)
        {
            switch (content)
            {
                case TextContent part:
                    string words = _template.TrimsTexts ? part.Text.Trim() : part.Text;
                    if (words.Length == 0)
                        break;
                    SetApart();
                    text.Append(words);
                    break;
                case DataContent image when image.HasTopLevelMediaType("image"):
                    SetApart();
                    FlushText();
                    long start = Stopwatch.GetTimestamp();
                    segments.Add(ImageRun.Create(_imageTokens, _readImage(image.Data.Span, cancellationToken)));
                    preprocessing += Stopwatch.GetTimestamp() - start;
                    (empty, afterImage) = (false, true);
                    break;
                default:
                    throw new ArgumentException($"The model reads text and images, and cannot read {content.GetType().Name}.", nameof(contents));
            }
        }
        FlushText();
        return (empty, Stopwatch.GetElapsedTime(0, preprocessing));

        // What the model expects between an image and what follows.
        void SetApart()
        {
            if (afterImage)
                text.Append(_imageTokens.TextAfter);
            afterImage = false;
        }

        void FlushText()
        {
            if (text.Length == 0)
                return;
            segments.AddText(_tokenizer.EncodeAsText(text.ToString()));
            empty = false;
            text.Clear();
        }
    }

    // Joins neighbouring texts, so that a prompt is text, image, text, image, …
    private sealed class SegmentList
    {
        private readonly List<PromptSegment> _segments = [];
        private readonly List<int> _text = [];

        public void AddText(ReadOnlySpan<int> ids) => _text.AddRange(ids);

        public void Add(PromptSegment image)
        {
            Flush();
            _segments.Add(image);
        }

        public PromptSegment[] ToArray()
        {
            Flush();
            return [.. _segments];
        }

        private void Flush()
        {
            if (_text.Count == 0)
                return;
            _segments.Add(new PromptSegment(_text.ToArray()));
            _text.Clear();
        }
    }
}
