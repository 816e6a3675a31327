using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace OnnxVlm.Export.HuggingFace;

/// <summary>
/// Reads the JSON files of a checkpoint, which can hold anything. System.Text.Json decodes the bytes of a key or a string only when they are asked
/// for, and then fails with an exception that names no file. So all of them are decoded first.
/// </summary>
internal static class JsonFile
{
    private const string Advice = "download the checkpoint again";

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">The most bytes it may have.</param>
    /// <param name="maxDepth">The most objects and arrays nested in each other.</param>
    /// <returns>A document whose root is an object, and in which no object has a key twice; the caller disposes it.</returns>
    /// <exception cref="ModelLoadException">The file is missing, too large, cannot be read or is not a JSON object.</exception>
    public static JsonDocument Read(string path, long maxBytes, int maxDepth) =>
        Parse(path, ReadBytes(path, maxBytes), new JsonDocumentOptions { MaxDepth = maxDepth, AllowDuplicateProperties = false });

    /// <summary>Reads a file to change it.</summary>
    /// <inheritdoc cref="Read"/>
    public static JsonObject ReadNode(string path, long maxBytes, int maxDepth)
    {
        using JsonDocument document = Read(path, maxBytes, maxDepth);
        return JsonObject.Create(document.RootElement.Clone())!;
    }

    /// <summary>Parses bytes that were read from a file.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The bytes.</param>
    /// <param name="options">Depth, and whether an object can have a key twice.</param>
    /// <returns>A document whose root is an object; the caller disposes it.</returns>
    /// <exception cref="ModelLoadException">The bytes are not a JSON object.</exception>
    public static JsonDocument Parse(string path, ReadOnlyMemory<byte> json, JsonDocumentOptions options)
    {
        try
        {
            RefuseBadText(path, json.Span, options.MaxDepth);
            var document = JsonDocument.Parse(json, options);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            using (document)
                throw new ModelLoadException($"{path}: expected a JSON object, found {document.RootElement.ValueKind}; {Advice}");
        }
        catch (JsonException exception)
        {
            throw new ModelLoadException($"{path}: not valid JSON ({exception.Message.Split('\n')[0]}); {Advice}", exception);
        }
    }

    private static ReadOnlyMemory<byte> ReadBytes(string path, long maxBytes)
    {
        try
        {
            long sizeBytes = new FileInfo(path).Length;
            if (sizeBytes > maxBytes)
                throw new ModelLoadException($"{path}: expected at most {maxBytes} bytes, found {sizeBytes}; {Advice}");
            byte[] bytes = File.ReadAllBytes(path);
            return bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? bytes.AsMemory(Encoding.UTF8.Preamble.Length) : bytes;
        }
        catch (FileNotFoundException exception)
        {
            throw new ModelLoadException($"{path}: missing; give the folder of a complete Hugging Face checkpoint", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelLoadException($"{path}: cannot be read ({exception.Message}); check that it is a file and may be read", exception);
        }
    }

    private static void RefuseBadText(string path, ReadOnlySpan<byte> json, int maxDepth)
    {
        if (!Utf8.IsValid(json))
            throw new ModelLoadException($"{path}: not valid UTF-8 at byte {BadByte(json)}; {Advice}");
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = maxDepth });
        while (reader.Read())
        {
            // Only an escape can still spell invalid text.
            if (reader.TokenType is not (JsonTokenType.PropertyName or JsonTokenType.String) || !reader.ValueIsEscaped)
                continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException exception)
            {
                throw new ModelLoadException($"{path}: the string at byte {reader.TokenStartIndex} has half of a surrogate pair; {Advice}", exception);
            }
        }
    }

    private static int BadByte(ReadOnlySpan<byte> text)
    {
        int at = 0;
        while (Rune.DecodeFromUtf8(text[at..], out _, out int length) == System.Buffers.OperationStatus.Done)
            at += length;
        return at;
    }
}
