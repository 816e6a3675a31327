using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting.Jinja;

namespace OnnxVlm.Prompting;

/// <summary>
/// Converts conversations to prompts: the chat template is rendered, and the whole text is tokenized in one pass. Each character carries its origin,
/// and only characters that the template wrote can become a special token: nothing in a message can end a turn or represent an image. Thread-safe.
/// </summary>
public sealed class PromptBuilder
{
    private readonly ITokenizer _tokenizer;
    private readonly Func<ChatTemplate> _template;
    private readonly ImageTokens _imageTokens;
    private readonly PatchReader _readPatches;

    /// <summary>Creates a builder.</summary>
    /// <param name="tokenizer">Encodes the prompts.</param>
    /// <param name="template">The checkpoint's chat template.</param>
    /// <param name="imageTokens">The tokens that represent an image.</param>
    /// <param name="preprocessor">Turns an encoded image into patches.</param>
    public PromptBuilder(ITokenizer tokenizer, ChatTemplate template, ImageTokens imageTokens, ImagePreprocessor preprocessor)
        : this(tokenizer, () => template, imageTokens, (PatchReader)preprocessor.Process)
    {
        ArgumentNullException.ThrowIfNull(template);
    }

    internal PromptBuilder(ITokenizer tokenizer, Func<ChatTemplate> template, ImageTokens imageTokens, PatchReader readPatches)
    {
        _tokenizer = tokenizer;
        _template = template;
        _imageTokens = imageTokens;
        _readPatches = readPatches;
    }

    /// <summary>Turns an encoded image into patches.</summary>
    internal delegate PatchGrid PatchReader(ReadOnlySpan<byte> encoded, CancellationToken cancellationToken);

    /// <summary>Builds the prompt for the model's next answer.</summary>
    /// <param name="messages">
    /// The conversation. Content is <see cref="TextContent"/>, <see cref="DataContent"/> with an image, and in their roles <see cref="FunctionCallContent"/>,
    /// <see cref="FunctionResultContent"/> and <see cref="TextReasoningContent"/>.
    /// </param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels between images, and while an image waits to be decoded, with
    /// <see cref="OperationCanceledException"/>.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">There is no message, a message of the user is empty, the model cannot read a content, or its chat template
    /// has no place for an image or no switch for reasoning.</exception>
    /// <exception cref="ChatTemplateException">The chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    public Prompt Build(IEnumerable<ChatMessage> messages, PromptOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        options ??= new PromptOptions();
        ChatTemplate template = _template();
        return ChatTemplate.Guarded(() =>
        {
            TemplateConversation conversation = TemplateConversation.From(messages, template.Form);
            RenderedPrompt rendered = template.Render(conversation.Messages, FunctionDeclarations.ToTemplate(options.Tools), new ChatTemplateOptions
            {
                AddGenerationPrompt = !options.ContinuesLastMessage,
                ContinueFinalMessage = options.ContinuesLastMessage,
                Reasons = options.Reasons,
                Variables = options.Variables,
            });
            return Assemble(rendered, conversation.Images, text: null, refusedImages: null, cancellationToken);
        });
    }

    /// <summary>Builds the prompt of a conversation in JSON.</summary>
    /// <param name="messages">An array of messages in the form of OpenAI or Hugging Face; images are data: URIs. Everything else reaches the
    /// template unchanged.</param>
    /// <param name="tools">An array of OpenAI's function objects; null for none.</param>
    /// <param name="options">The options.</param>
    /// <param name="text">Receives the prompt as text, with the placeholders of its images.</param>
    /// <param name="refusedImages">Receives the errors of images, which are then represented by one placeholder each; null to throw the errors.</param>
    /// <exception cref="ArgumentException">The JSON has another form, or one of the conditions above holds.</exception>
    /// <exception cref="ChatTemplateException">The chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    internal Prompt Build(JsonElement messages, JsonElement? tools, ChatTemplateOptions options, StringBuilder text, ICollection<string>? refusedImages)
    {
        if (messages.ValueKind != JsonValueKind.Array)
            throw new ArgumentException("Expected an array of messages.", nameof(messages));
        if (tools is { ValueKind: not (JsonValueKind.Array or JsonValueKind.Null) })
            throw new ArgumentException("Expected an array of tools.", nameof(tools));
        ChatTemplate template = _template();
        return ChatTemplate.Guarded(() =>
        {
            TemplateConversation conversation = TemplateConversation.From(messages, template.Form);
            RenderedPrompt rendered = template.Render(conversation.Messages, TemplateValues.From(tools ?? default), options);
            return Assemble(rendered, conversation.Images, text, refusedImages, CancellationToken.None);
        });
    }

    /// <summary>Converts text and images to segments without the template around them, for content in the middle of an answer.</summary>
    /// <param name="contents"><see cref="TextContent"/>, and <see cref="DataContent"/> with an image.</param>
    /// <returns>The segments; none where the contents are empty.</returns>
    /// <exception cref="ArgumentException">Content of a kind that the model cannot read.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    public IReadOnlyList<PromptSegment> Encode(IReadOnlyList<AIContent> contents) => Encode(contents, CancellationToken.None);

    internal IReadOnlyList<PromptSegment> Encode(IReadOnlyList<AIContent> contents, CancellationToken cancellationToken)
    {
        PromptAssembler prompt = new(_imageTokens, _tokenizer, null);
        // The model reads adjacent texts as one text, so they are encoded as one.
        StringBuilder text = new();
        bool afterImage = false;
        foreach (AIContent content in contents)
        {
            if (content is TextContent { Text: null or "" })
                continue;
            if (afterImage)
                text.Append(_imageTokens.TextAfter);
            afterImage = false;
            switch (content)
            {
                case TextContent part:
                    text.Append(part.Text);
                    break;
                case DataContent image when image.HasTopLevelMediaType("image"):
                    prompt.AddText(_tokenizer.EncodeAsText(text.ToString()));
                    text.Clear();
                    prompt.AddImage(_readPatches(image.Data.Span, cancellationToken));
                    afterImage = true;
                    break;
                default:
                    throw new ArgumentException($"The model reads text and images, and cannot read {content.GetType().Name}.", nameof(contents));
            }
        }
        prompt.AddText(_tokenizer.EncodeAsText(text.ToString()));
        return prompt.ToSegments();
    }

    // Tokenizes the text, and inserts an image at each placeholder that the template wrote, or at the mark of an image.
    private Prompt Assemble(RenderedPrompt rendered, IReadOnlyList<ReadOnlyMemory<byte>?> images, StringBuilder? text, ICollection<string>? refusedImages,
        CancellationToken cancellationToken)
    {
        PromptAssembler prompt = new(_imageTokens, _tokenizer, text);
        int used = 0;
        long preprocessing = 0;
        for (int start = 0; start <= rendered.Text.Length;)
        {
            int end = FindMark(rendered, start);
            foreach (bool isPlaceholder in prompt.AddPiece(rendered, start, end))
            {
                if (isPlaceholder)
                    AddImage();
            }
            if (end == rendered.Text.Length)
                break;
            AddImage();
            start = end + 1;
        }
        if (used < images.Count)
            throw new ArgumentException(
                $"The model's chat template has a place for {used} of the {images.Count} images; leave the others out, or put them into messages of the user.");
        return new Prompt(prompt.ToSegments(), Stopwatch.GetElapsedTime(0, preprocessing)) { Text = rendered.Text };

        void AddImage()
        {
            if (used == images.Count)
                throw new ArgumentException($"The model's chat template wrote more places for images than the {images.Count} that there are.");
            if (images[used++] is not { } image)
            {
                prompt.AddUnknownImage();
                return;
            }
            long start = Stopwatch.GetTimestamp();
            try
            {
                prompt.AddImage(_readPatches(image.Span, cancellationToken));
            }
            catch (InvalidImageException e) when (refusedImages is not null)
            {
                refusedImages.Add(e.Message);
                prompt.AddUnknownImage();
            }
            preprocessing += Stopwatch.GetTimestamp() - start;
        }
    }

    private static int FindMark(RenderedPrompt rendered, int start)
    {
        int mark = rendered.Text.IndexOf(TemplateConversation.ImageMark, start);
        while (mark >= 0 && !rendered.FromTemplate.Span[mark])
            mark = rendered.Text.IndexOf(TemplateConversation.ImageMark, mark + 1);
        return mark < 0 ? rendered.Text.Length : mark;
    }
}
