using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Chat.Tools;
using OnnxVlm.Generation;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;
using OnnxVlm.Runtime;

namespace OnnxVlm;

/// <summary>
/// A loaded unified vision-language model: images and text in, streamed text out.
/// <code>
/// using VlmModel model = VlmModel.Load("onnx-models/nano");
/// Prompt prompt = model.CreatePrompt([new ChatMessage(ChatRole.User, [new DataContent(bytes, "image/png"), new TextContent("What does the text say?")])]);
/// await foreach (GenerationUpdate update in model.GenerateAsync(prompt, new GenerationOptions()))
///     Console.Write(update.Text);
/// </code>
/// Thread-safe. Disposing it ends the running answers with <see cref="ObjectDisposedException"/>.
/// </summary>
public sealed class VlmModel : IChatModel, IDisposable
{
    private readonly IDecoder _decoder;
    private readonly GrammarModel _grammars;
    private readonly Lazy<ChatTemplate> _template;
    private readonly PromptBuilder _prompts;
    private readonly PromptBuilder _measuredPrompts;
    private readonly TokenGenerator _generator;
    private readonly IToolSyntax _toolSyntax;
    private readonly Lifetime _lifetime;

    private VlmModel(IDecoder decoder, ModelManifest manifest, ModelTokenizer? tokenizer, Vocabulary vocabulary, Lazy<ChatTemplate> template,
        VlmOptions options)
    {
        _decoder = decoder;
        _template = template;
        Manifest = manifest;
        Vocabulary = vocabulary;
        _grammars = new GrammarModel(vocabulary, decoder.VocabularySize, manifest.EndTokenIds);
        ImagePreprocessor = new ImagePreprocessor(Manifest.Image, options.ImageLimits, options.ImageDecoder, options.BlendAlpha);
        Tokenizer = tokenizer ?? (ITokenizer)new MissingTokenizer();
        _prompts = new PromptBuilder(Tokenizer, () => template.Value, Manifest.Image.Tokens, (PromptBuilder.PatchReader)ImagePreprocessor.Process);
        _measuredPrompts = new PromptBuilder(Tokenizer, () => template.Value, Manifest.Image.Tokens, (encoded, _) => ImagePreprocessor.Measure(encoded));
        _generator = new TokenGenerator(
            decoder, Vocabulary, Manifest.EndTokenIds, _prompts.Encode, _grammars.Create, options.CacheBytes, Manifest.SuppressedTokenIds, Manifest.Reasoning,
            Manifest.Sampling);
        _toolSyntax = ToolSyntaxes.Create(Manifest.ToolSyntax, Vocabulary);
        _lifetime = new Lifetime(Release);
    }

    /// <summary>The manifest of the model folder.</summary>
    public ModelManifest Manifest { get; }

    string IChatModel.Id => Manifest.Source.Name;

    IToolSyntax IChatModel.ToolSyntax => _toolSyntax;

    bool IChatModel.CanReason => Manifest.Reasoning is not null;

    bool IChatModel.UsesTools => Manifest.HasTokenizer && ChatTemplate.UsesTools;

    /// <summary>The device that the model runs on; never <see cref="Device.Auto"/>.</summary>
    public Device Device => _decoder.Device;

    /// <summary>The runner of the model; never <see cref="Runner.Auto"/>.</summary>
    public Runner Runner => _decoder is OrtDecoder ? Runner.Ort : Runner.GenAI;

    /// <summary>The bytes and the special tokens of the vocabulary.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Turns encoded images into patches by the model's rules.</summary>
    public ImagePreprocessor ImagePreprocessor { get; }

    /// <summary>The checkpoint's chat template.</summary>
    /// <exception cref="ModelLoadException">The folder has none, or one that cannot be read.</exception>
    public ChatTemplate ChatTemplate => _template.Value;

    /// <summary>
    /// Converts text to token ids; a special token's text becomes that token. Without a tokenizer in the folder, every use throws
    /// <see cref="ModelLoadException"/>.
    /// </summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Loads a model folder.</summary>
    /// <param name="folder">A folder with <c>onnxvlm.json</c>, as <c>onnxvlm export</c> writes it.</param>
    /// <param name="options">Device, limits; null for the defaults.</param>
    /// <returns>The model; the caller disposes it.</returns>
    /// <exception cref="ArgumentException">The model was not trained with <see cref="VlmOptions.MaxImageTokens"/>.</exception>
    /// <exception cref="ModelLoadException">The folder is missing, damaged or inconsistent, or the device cannot be used; the message
    /// says what to do.</exception>
    /// <exception cref="UnsupportedModelException">The folder was written for another version.</exception>
    public static VlmModel Load(string folder, VlmOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new VlmOptions();
        ModelManifest manifest = ModelManifest.Load(folder);
        NativeRuntime.EnsurePresent();
        if (options.MaxImageTokens is int budget)
            manifest = manifest with { Image = manifest.Image.WithBudget(budget) };
        using CancellationTokenSource failed = new();
        Task verification = options.VerifyHashes ? manifest.VerifyFilesWhileLoadingAsync(folder, VerifiedFiles.OfUser, failed.Token) : Task.CompletedTask;
        IDecoder? decoder = null;
        try
        {
            ModelTokenizer? tokenizer = manifest.HasTokenizer ? ModelTokenizer.Load(Path.Combine(folder, "tokenizer.json")) : null;
            Vocabulary vocabulary = tokenizer is null ? Vocabulary.None : Vocabulary.Of(tokenizer.Inner);
            decoder = LoadDecoder(folder, manifest, options, verification);
            verification.GetAwaiter().GetResult();
            // A model without a template still continues plain prompts.
            Lazy<ChatTemplate> template = new(() => tokenizer is null ? throw MissingTokenizer.Missing() : Prompting.ChatTemplate.Load(folder));
            return new VlmModel(decoder, manifest, tokenizer, vocabulary, template, options);
        }
        catch
        {
            failed.Cancel();
            decoder?.Dispose();
            throw;
        }
    }

    /// <summary>Turns a conversation into a prompt: images to patches, template and texts to tokens.</summary>
    /// <param name="messages">
    /// The conversation. Content is <see cref="TextContent"/>, <see cref="DataContent"/> with an image, and in their roles <see cref="FunctionCallContent"/>,
    /// <see cref="FunctionResultContent"/> and <see cref="TextReasoningContent"/>.
    /// </param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">There is no message, a message is empty, or content is of a kind that the model cannot read.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">The bytes of the text, or the tokens with those of the images, do not fit into the context; thrown
    /// before an image is decoded.</exception>
    public Prompt CreatePrompt(IEnumerable<ChatMessage> messages) => CreatePrompt(messages, new PromptOptions());

    /// <summary>The same, for an answer with or without reasoning before it.</summary>
    /// <param name="messages">The conversation, as above.</param>
    /// <param name="reasons">Whether the model should reason first; <see cref="GenerationUpdate.IsReasoning"/> marks the reasoning.</param>
    /// <param name="cancellationToken">Cancels between images, and while an image waits to be decoded, with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">As above; or the model has no switch for reasoning.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">As above.</exception>
    public Prompt CreatePrompt(IEnumerable<ChatMessage> messages, bool reasons, CancellationToken cancellationToken = default) =>
        CreatePrompt(messages, new PromptOptions { Reasons = reasons }, cancellationToken);

    /// <summary>The same, with tools, and with a last message that the model continues.</summary>
    /// <param name="messages">The conversation, as above.</param>
    /// <param name="options">The options of the prompt.</param>
    /// <param name="cancellationToken">As above.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">As above.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">As above.</exception>
    public Prompt CreatePrompt(IEnumerable<ChatMessage> messages, PromptOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        using IDisposable use = _lifetime.Use(this);
        ChatMessage[] conversation = [.. messages];
        AIContent[] contents = [.. conversation.SelectMany(message => message.Contents)];
        PromptSize.CheckText(contents, Manifest.ContextLength, Vocabulary.LongestToken);
        if (contents.Any(content => content is DataContent))
            CheckMeasured(_measuredPrompts.Build(conversation, options, cancellationToken).Segments);
        return _prompts.Build(conversation, options, cancellationToken);
    }

    /// <summary>Turns text and images into a prompt without a chat template; the model continues them.</summary>
    /// <param name="contents"><see cref="TextContent"/>, and <see cref="DataContent"/> with an image. A special token's text is ordinary text.</param>
    /// <param name="cancellationToken">Cancels between images, and while an image waits to be decoded, with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="ArgumentException">The contents are empty, or content is of a kind that the model cannot read.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">The bytes of the text, or the tokens with those of the images, do not fit into the context; thrown
    /// before an image is decoded.</exception>
    public Prompt CreatePlainPrompt(IReadOnlyList<AIContent> contents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(contents);
        using IDisposable use = _lifetime.Use(this);
        PromptSize.CheckText(contents, Manifest.ContextLength, Vocabulary.LongestToken);
        if (contents.Any(content => content is DataContent))
            CheckMeasured(_measuredPrompts.Encode(contents, cancellationToken));
        return new Prompt(_prompts.Encode(contents, cancellationToken));
    }

    /// <summary>Generates an answer.</summary>
    /// <param name="prompt">What the model reads.</param>
    /// <param name="options">How the answer is generated; null for the defaults.</param>
    /// <param name="cancellationToken">Ends the answer with <see cref="OperationCanceledException"/>: before the prompt is read, while it is read,
    /// and at each token.</param>
    /// <returns>An update for each token, then one with the finish reason and the statistics. Leaving the loop early frees the sequence.</returns>
    /// <exception cref="PromptTooLongException">The prompt does not fit into the context.</exception>
    /// <exception cref="ArgumentException">A token id of the options is outside the vocabulary, or the grammar cannot be used.</exception>
    /// <exception cref="ObjectDisposedException">The model is disposed, before or while the answer is generated.</exception>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(Prompt prompt, GenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        _lifetime.ThrowIfDisposed(this);
        return StreamAsync(_generator.GenerateAsync(prompt, options ?? new GenerationOptions(), CancellationToken.None), cancellationToken);
    }

    /// <summary>
    /// Tells how probable each of some answers is, instead of generating one: classification, with probabilities. The probability of a choice is the product of the conditional probabilities of its tokens and
    /// of the answer's end behind them; the shares are normalized over the choices. The prompt is read once, and all choices run as rows of one batch.
    /// <code>
    /// Prompt prompt = model.CreatePrompt([new ChatMessage(ChatRole.User, [new DataContent(bytes, "image/png"), new TextContent("Is this a receipt?")])], reasons: false);
    /// IReadOnlyList&lt;ScoredChoice&gt; choices = await model.ChooseAsync(prompt, ["yes", "no"]);
    /// </code>
    /// </summary>
    /// <param name="prompt">What the model reads. The choices are texts that it could say next.</param>
    /// <param name="choices">The texts, at least one, all different, none of them empty. A special token's text is ordinary text.</param>
    /// <param name="cacheScope"><see cref="GenerationOptions.CacheScope"/>.</param>
    /// <param name="cancellationToken">Ends the work with <see cref="OperationCanceledException"/>.</param>
    /// <returns>The choices in their order.</returns>
    /// <exception cref="ArgumentException">There is no choice, one is empty, or two are the same.</exception>
    /// <exception cref="PromptTooLongException">Prompt and choice do not fit into the context.</exception>
    /// <exception cref="ObjectDisposedException">The model is disposed, before or while the choices are compared.</exception>
    public Task<IReadOnlyList<ScoredChoice>> ChooseAsync(Prompt prompt, IReadOnlyList<string> choices, string? cacheScope = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(choices);
        if (choices.Count == 0 || choices.Any(string.IsNullOrEmpty))
            throw new ArgumentException("Choices: expected one text or more, none of them empty.", nameof(choices));
        if (choices.Distinct(StringComparer.Ordinal).Count() < choices.Count)
            throw new ArgumentException("Choices: two are the same; leave one out.", nameof(choices));
        _lifetime.ThrowIfDisposed(this);
        return ScoreAsync(prompt, choices, cacheScope, cancellationToken);
    }

    /// <summary>The same for a conversation, which the model answers without reasoning first.</summary>
    /// <param name="messages">The conversation, as <see cref="CreatePrompt(IEnumerable{ChatMessage})"/> takes it.</param>
    /// <param name="choices">As above.</param>
    /// <param name="cancellationToken">As above.</param>
    /// <returns>The choices in their order.</returns>
    /// <exception cref="ArgumentException">As above; or the model cannot read a content.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="InvalidImageException">An image cannot be read or is outside the limits.</exception>
    /// <exception cref="PromptTooLongException">As above.</exception>
    public Task<IReadOnlyList<ScoredChoice>> ChooseAsync(IEnumerable<ChatMessage> messages, IReadOnlyList<string> choices, CancellationToken cancellationToken = default) =>
        ChooseAsync(CreatePrompt(messages, new PromptOptions { Reasons = Manifest.Reasoning is null ? null : false }, cancellationToken), choices, null, cancellationToken);

    /// <summary>Starts an empty sequence for callers who choose every token themselves.</summary>
    /// <param name="maxLength">The most tokens it will hold, at most the model's context length; the key-value cache is allocated for this many.</param>
    /// <param name="maxPatches">The most patches of the images in one append; 0 for text only.</param>
    /// <returns>The sequence; the caller disposes it before the model.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    public VlmSequence CreateSequence(int maxLength, int maxPatches = 0) => new(_decoder, maxLength, maxPatches, _lifetime.Use(this));

    /// <summary>Ends the running answers and frees the model. Returns at once; the memory is free when the last answer has ended.</summary>
    public void Dispose() => _lifetime.Dispose();

    private async Task<IReadOnlyList<ScoredChoice>> ScoreAsync(Prompt prompt, IReadOnlyList<string> choices, string? cacheScope, CancellationToken cancellationToken)
    {
        using IDisposable use = _lifetime.Use(this);
        CancellationToken ending = _lifetime.Ending;
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending);
        int[][] tokens = [.. choices.Select(choice => new Prompt(_prompts.Encode([new TextContent(choice)], cancellationToken)).ToTokenIds())];
        double[] logprobs;
        try
        {
            logprobs = await new ChoiceScorer(_generator).ScoreAsync(prompt, tokens, cacheScope, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            throw new ObjectDisposedException(nameof(VlmModel), "The model was disposed while choices were compared.");
        }
        // Sums of tiny numbers are exact enough only beside the largest.
        double max = logprobs.Max(), sum = logprobs.Sum(logprob => Math.Exp(logprob - max));
        return [.. choices.Select((choice, i) => new ScoredChoice(choice, Math.Exp(logprobs[i] - max) / sum, logprobs[i], tokens[i].Length))];
    }

    // Checked before the images are decoded: their headers determine how many tokens they become.
    private void CheckMeasured(IReadOnlyList<PromptSegment> segments) => PromptSize.CheckTokens(
        segments.Sum(segment => segment.TokenIds.Length), segments.Where(segment => segment.Image is not null).Sum(segment => segment.TokenIds.Length),
        Manifest.ContextLength);

    private static IDecoder LoadDecoder(string folder, ModelManifest manifest, VlmOptions options, Task verification)
    {
        try
        {
            return new DecoderLoader(folder, manifest, options.Runner, options.Threads, options.CacheBytes).Load(options.Device);
        }
        catch (ModelLoadException)
        {
            // The report of a damaged file says more than the runtime's error.
            verification.GetAwaiter().GetResult();
            throw;
        }
    }

    private void Release()
    {
        _generator.Dispose();
        _grammars.Dispose();
        _decoder.Dispose();
    }

    private async IAsyncEnumerable<GenerationUpdate> StreamAsync(
        IAsyncEnumerable<GenerationUpdate> updates, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using IDisposable use = _lifetime.Use(this);
        CancellationToken ending = _lifetime.Ending;
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending);
        await using IAsyncEnumerator<GenerationUpdate> enumerator = updates.GetAsyncEnumerator(either.Token);
        while (await MoveNextAsync().ConfigureAwait(false))
            yield return enumerator.Current;

        async ValueTask<bool> MoveNextAsync()
        {
            try
            {
                return await enumerator.MoveNextAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                throw new ObjectDisposedException(nameof(VlmModel), "The model was disposed while an answer was running.");
            }
        }
    }
}
