using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Prompting;

/// <summary>
/// Counts and trims what a model would read, without loading the model: of its folder only <c>onnxvlm.json</c>, <c>tokenizer.json</c>,
/// <c>tokenizer_config.json</c> and, where there is one, <c>chat_template.jinja</c> are needed. Conversations take the way of
/// <see cref="PromptBuilder"/>, but an image is only measured: its header is read and nothing is decoded. Safe to use from several threads at once.
/// <code>
/// TokenCounter counter = TokenCounter.Load("onnx-models/nano");
/// TrimmedConversation trimmed = counter.Trim(messages, maxTokens: 1024);
/// </code>
/// </summary>
public sealed class TokenCounter
{
    private readonly ImageRules _rules;
    private readonly ImageLimits _limits;
    private readonly ITokenizer _tokenizer;
    private readonly PromptBuilder _prompts;

    /// <summary>Creates a counter from its parts.</summary>
    /// <param name="rules">The image rules of the model folder.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The model's chat template.</param>
    /// <param name="limits">The limits on images; null for the defaults.</param>
    public TokenCounter(ImageRules rules, ITokenizer tokenizer, ChatTemplate template, ImageLimits? limits = null)
        : this(rules, tokenizer, () => template, limits)
    {
        ArgumentNullException.ThrowIfNull(template);
    }

    private TokenCounter(ImageRules rules, ITokenizer tokenizer, Func<ChatTemplate> template, ImageLimits? limits)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(tokenizer);
        _rules = rules;
        _limits = limits ?? new ImageLimits();
        _tokenizer = tokenizer;
        _prompts = new PromptBuilder(tokenizer, template, rules.Tokens, (encoded, _) => Measure(encoded));
    }

    /// <summary>Creates a counter for a model folder.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="limits">The limits on images; null for the defaults.</param>
    /// <exception cref="ModelLoadException">A file is missing or damaged. A missing chat template is reported only when a
    /// conversation is counted.</exception>
    /// <exception cref="UnsupportedModelException">The tokenizer has a setting that cannot be followed exactly.</exception>
    public static TokenCounter Load(string folder, ImageLimits? limits = null)
    {
        ModelManifest manifest = ModelManifest.Load(folder);
        if (!manifest.HasTokenizer)
            throw MissingTokenizer.Missing();
        ModelTokenizer tokenizer = ModelTokenizer.Load(Path.Combine(folder, "tokenizer.json"));
        Lazy<ChatTemplate> template = new(() => ChatTemplate.Load(folder));
        return new TokenCounter(manifest.Image, tokenizer, () => template.Value, limits);
    }

    /// <summary>Tokens of a text as the content of a message; a special token's text counts as ordinary text.</summary>
    /// <param name="text">Any text.</param>
    public int Count(string text) => _tokenizer.EncodeAsText(text).Length;

    /// <summary>Tokens of an image, including the ones around it. Nothing is decoded, so damage behind the header is not noticed.</summary>
    /// <param name="encoded">The image file.</param>
    /// <exception cref="InvalidImageException">The file is not an image, or is outside the limits.</exception>
    public int CountImage(ReadOnlySpan<byte> encoded)
    {
        PatchGrid image = Measure(encoded);
        return new PatchShape(image.Rows, image.Columns).TokenCount(_rules.Tokens);
    }

    /// <summary>Tokens of the prompt for the next answer: texts, images, and the template around them.</summary>
    /// <param name="messages">The conversation, as <see cref="PromptBuilder"/> takes it.</param>
    /// <exception cref="ArgumentException">There is no message, a message is empty, or content is of a kind that the model cannot read.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image is outside the limits, or is not an image.</exception>
    public int Count(IEnumerable<ChatMessage> messages) => _prompts.Build(messages).TokenCount;

    /// <summary>The prompt of a conversation in JSON, as text and as tokens.</summary>
    /// <param name="messages">An array of messages in the form of OpenAI or Hugging Face; images are data: URIs. Everything else reaches the
    /// template unchanged.</param>
    /// <param name="tools">An array of OpenAI's function objects; null for none.</param>
    /// <param name="options">The options; null for the defaults.</param>
    /// <param name="refusedImages">Receives the errors of images that the model's rules refuse, which are then represented by one placeholder each;
    /// null to throw the errors.</param>
    /// <returns>The text with the placeholders of images, and the token ids.</returns>
    /// <exception cref="ArgumentException">The JSON has another form, or the options contradict each other.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image is outside the limits, or is not an image.</exception>
    public (string Text, int[] TokenIds) Render(
        JsonElement messages, JsonElement? tools = null, ChatTemplateOptions? options = null, ICollection<string>? refusedImages = null)
    {
        StringBuilder text = new();
        Prompt prompt = _prompts.Build(messages, tools, options ?? new ChatTemplateOptions(), text, refusedImages);
        return (text.ToString(), prompt.ToTokenIds());
    }

    /// <summary>Drops the oldest turns of a conversation until its prompt fits: see <see cref="ConversationTrimmer"/>.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="maxTokens">The most tokens of the prompt; leave room in the context for the answer.</param>
    /// <exception cref="PromptTooLongException">Even the last turn and the system messages alone do not fit.</exception>
    public TrimmedConversation Trim(IEnumerable<ChatMessage> messages, int maxTokens) => ConversationTrimmer.Trim(messages, maxTokens, Count);

    private PatchGrid Measure(ReadOnlySpan<byte> encoded)
    {
        _limits.CheckBytes(encoded.Length);
        ImageHeader header = ImageHeader.Read(encoded);
        _limits.CheckSize(header.WidthPx, header.HeightPx);
        (int width, int height) = header.UprightSize;
        PatchShape shape = PatchShape.Of(_rules, width, height);
        return new PatchGrid(shape.Rows, shape.Columns, []);
    }
}
