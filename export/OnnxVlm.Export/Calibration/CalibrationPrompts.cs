using System.Reflection;
using System.Text;
using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;

namespace OnnxVlm.Export.Calibration;

/// <summary>What a model reads while its cache is calibrated: each text as it is and as a question, each image with a question.</summary>
internal static class CalibrationPrompts
{
    /// <summary>The most tokens of text in a prompt; a longer text becomes several.</summary>
    private const int MostTokens = 512;

    /// <summary>The most bytes of a file.</summary>
    private const long MostBytes = 10 << 20;

    private const string Question = "What is in the picture? Describe it, and read what is written there.", Resources = "OnnxVlm.Export.Calibration.";

    private static readonly string[] ImageEndings = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"];

    /// <summary>Makes the prompts of a model.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="calibration">A text file, an image, or a folder of these; null for what comes with this library.</param>
    /// <exception cref="ModelLoadException">There is nothing to read.</exception>
    public static IReadOnlyList<Prompt> Create(string folder, string? calibration)
    {
        var manifest = ModelManifest.Load(folder);
        (IReadOnlyList<string> texts, IReadOnlyList<Picture> images) = calibration is null ? Shipped() : Read(calibration);
        ImagePreprocessor preprocessor = new(manifest.Image, new ImageLimits());
        // Some models take pictures of few sizes only: of those that come with this library the others do.
        (Picture Picture, PatchGrid Patches)[] prepared = [.. images.Select(image => (image, Patches: Prepare(preprocessor, image))).Where(image => image.Patches is not null).Select(image => (image.image, image.Patches!))];
        List<Prompt> prompts = manifest.HasTokenizer ? Encode(folder, manifest, texts, prepared.Select(image => image.Picture), preprocessor) : Random(manifest, prepared.Select(image => image.Patches));
        prompts.RemoveAll(prompt => prompt.TokenCount > manifest.ContextLength);
        return prompts.Count > 0 ? prompts : throw new ModelLoadException($"{calibration ?? folder}: nothing that the model can read for the calibration of its cache; give a text or an image that fits its context of {manifest.ContextLength} tokens (--calibration)");
    }

    private static List<Prompt> Encode(string folder, ModelManifest manifest, IReadOnlyList<string> texts, IEnumerable<Picture> images, ImagePreprocessor preprocessor)
    {
        var tokenizer = ModelTokenizer.Load(Path.Combine(folder, "tokenizer.json"));
        ChatTemplate? template = ChatTemplate.TryLoad(folder);
        List<Prompt> prompts = [];
        foreach (string text in texts)
        {
            int[] tokens = tokenizer.EncodeAsText(text);
            int most = Math.Min(MostTokens, manifest.ContextLength);
            prompts.AddRange(tokens.Chunk(most).Select(piece => new Prompt([new PromptSegment(piece)])));
            if (tokens.Length <= most)
                Ask(new TextContent(text));
        }

        foreach (Picture image in images)
            Ask(new DataContent(image.Encoded, "image/png"), new TextContent(Question));
        return prompts;

        void Ask(params AIContent[] contents)
        {
            // Without a template the contents stand for themselves.
            prompts.Add(template is null
                ? new Prompt(new PromptBuilder(tokenizer, ChatTemplate.Parse(""), manifest.Image.Tokens, preprocessor).Encode(contents))
                : new PromptBuilder(tokenizer, template, manifest.Image.Tokens, preprocessor).Build([new ChatMessage(ChatRole.User, contents)]));
        }
    }

    // What a text would be is not known then.
    private static List<Prompt> Random(ModelManifest manifest, IEnumerable<PatchGrid> images)
    {
        Random random = new(1);
        ImageTokens image = manifest.Image.Tokens;
        int[] reserved = [image.Placeholder, image.RowEnd ?? -1, image.Begin ?? -1, image.End ?? -1];
        int count = Math.Min(256, manifest.ContextLength);
        return [.. Enumerable.Range(0, 8).Select(_ => new Prompt([Text(count)])), .. images.Select(grid => new Prompt([ImageRun.Create(image, grid), Text(16)]))];

        PromptSegment Text(int tokens) => new(Enumerable.Range(0, int.MaxValue).Select(_ => random.Next(manifest.VocabularySize)).Where(token => !reserved.Contains(token)).Take(tokens).ToArray());
    }

    private static PatchGrid? Prepare(ImagePreprocessor preprocessor, Picture image)
    {
        try
        {
            return preprocessor.Process(image.Encoded);
        }
        catch (InvalidImageException e)
        {
            return image.Path is null ? null : throw new ModelLoadException($"{image.Path}: {e.Message.TrimEnd('.')}; leave it out of the calibration", e);
        }
    }

    private static (IReadOnlyList<string> Texts, IReadOnlyList<Picture> Images) Shipped()
    {
        Assembly assembly = typeof(CalibrationPrompts).Assembly;
        string[] names = [.. assembly.GetManifestResourceNames().Where(name => name.StartsWith(Resources, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Picture[] images = [.. names.Where(name => name.EndsWith(".png", StringComparison.Ordinal)).Select(name => new Picture(null, Bytes(name)))];
        return (Encoding.UTF8.GetString(Bytes($"{Resources}texts.txt")).ReplaceLineEndings("\n").Split("\n===\n", StringSplitOptions.RemoveEmptyEntries), images);

        byte[] Bytes(string name)
        {
            using Stream stream = assembly.GetManifestResourceStream(name)!;
            using MemoryStream bytes = new();
            stream.CopyTo(bytes);
            return bytes.ToArray();
        }
    }

    private static (IReadOnlyList<string> Texts, IReadOnlyList<Picture> Images) Read(string path)
    {
        string[] files = Directory.Exists(path) ? [.. Directory.GetFiles(path).Where(file => Path.GetFileName(file)[0] != '.').Order(StringComparer.Ordinal)] : File.Exists(path) ? [path] : [];
        if (files.Length == 0)
            throw new ModelLoadException($"{path}: there is no such file, or no file in the folder; give a text file, an image or a folder of these (--calibration)");
        List<string> texts = [];
        List<Picture> images = [];
        foreach (string file in files)
        {
            if (new FileInfo(file).Length > MostBytes)
                throw new ModelLoadException($"{file}: expected at most {MostBytes / (1 << 20)} MiB for a file of the calibration; give a part of it");
            if (ImageEndings.Contains(Path.GetExtension(file).ToLowerInvariant()))
                images.Add(new Picture(file, File.ReadAllBytes(file)));
            else
                texts.Add(ReadText(file));
        }

        texts.RemoveAll(string.IsNullOrWhiteSpace);
        return (texts, images);
    }

    private static string ReadText(string file)
    {
        try
        {
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(file)).TrimStart('\uFEFF');
        }
        catch (ArgumentException exception)
        {
            throw new ModelLoadException($"{file}: expected UTF-8 text or an image ({string.Join(", ", ImageEndings)}); leave it out of the calibration", exception);
        }
    }

    /// <summary>An image file.</summary>
    /// <param name="Path">Where it is; null for one that comes with this library.</param>
    /// <param name="Encoded">Its bytes.</param>
    private sealed record Picture(string? Path, byte[] Encoded);
}
