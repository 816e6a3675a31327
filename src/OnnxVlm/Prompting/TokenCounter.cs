using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Prompting;

/// <summary>
/// Counts and trims what a model would read, without loading the model: of its folder only <c>onnxvlm.json</c>, <c>tokenizer.json</c>
/// and <c>tokenizer_config.json</c> are needed.
/// Conversations take the way of <see cref="PromptBuilder"/>, but an image is only measured: its header is read and nothing is decoded.
/// Safe to use from several threads at once.
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
    /// <param name="limits">What an image may demand; null for the defaults.</param>
    public TokenCounter(ImageRules rules, ITokenizer tokenizer, IChatTemplate template, ImageLimits? limits = null)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(template);
        _rules = rules;
        _limits = limits ?? new ImageLimits();
        _tokenizer = tokenizer;
        _prompts = new PromptBuilder(tokenizer, template, rules.Tokens, (encoded, _) => Measure(encoded));
    }

    /// <summary>Creates a counter for a model folder whose chat template wraps every message the same way, as ChatML does, or is Gemma's.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="limits">What an image may demand; null for the defaults.</param>
    /// <exception cref="ModelLoadException">A file is missing or damaged.</exception>
    /// <exception cref="UnsupportedModelException">The tokenizer has a setting that cannot be followed exactly; or the template is of another kind: give the constructor an <see cref="IChatTemplate"/> that renders it.</exception>
    public static TokenCounter Load(string folder, ImageLimits? limits = null)
    {
        ModelManifest manifest = ModelManifest.Load(folder);
        string settings = Path.Combine(folder, "tokenizer_config.json");
        ModelTokenizer tokenizer = ModelTokenizer.Load(Path.Combine(folder, "tokenizer.json"));
        return new TokenCounter(manifest.Image, tokenizer, GemmaChatTemplate.TryLoad(settings) ?? (IChatTemplate)UniformChatTemplate.Load(settings), limits);
    }

    /// <summary>Tokens of a text as the content of a message; a special token's text counts as ordinary text.</summary>
    /// <param name="text">Any text.</param>
    public int Count(string text) => _tokenizer.EncodeAsText(text).Length;

    /// <summary>Tokens of an image, the ones around it included. Nothing is decoded, so that damage behind the header is not noticed.</summary>
    /// <param name="encoded">The image file.</param>
    /// <exception cref="InvalidImageException">The file is not an image, or is outside the limits.</exception>
    public int CountImage(ReadOnlySpan<byte> encoded)
    {
        PatchGrid image = Measure(encoded);
        return new PatchShape(image.Rows, image.Columns).TokenCount(_rules.Tokens);
    }

    /// <summary>Tokens of the prompt for the next answer: texts, images, and the template around them.</summary>
    /// <param name="messages">The conversation. Content is <see cref="TextContent"/>, and <see cref="DataContent"/> with an image.</param>
    /// <exception cref="ArgumentException">There is no message, a message has nothing in it, or content of a kind that the model cannot read.</exception>
    /// <exception cref="InvalidImageException">An image is outside the limits, or is none.</exception>
    public int Count(IEnumerable<ChatMessage> messages) => _prompts.Build(messages).TokenCount;

    /// <summary>Drops the oldest turns of a conversation until its prompt fits: see <see cref="ConversationTrimmer"/>.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="maxTokens">The most tokens of the prompt; leave room in the context for the answer.</param>
    /// <exception cref="PromptTooLongException">It does not fit even with the last turn and the system messages alone.</exception>
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
