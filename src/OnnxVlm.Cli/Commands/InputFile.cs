using System.Text;

namespace OnnxVlm.Cli.Commands;

/// <summary>Reads files that a user names, up to a limit, so that an endless device or pipe, or a wrong name, costs no more than that.</summary>
internal static class InputFile
{
    private static readonly TimeSpan PipePatience = TimeSpan.FromSeconds(2);

    /// <summary>The most bytes of a prompt, a system message, a schema or a grammar: 16 MiB, far more than any context holds.</summary>
    public const int MaxTextBytes = 16 << 20;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">The expected content, for messages: "image".</param>
    /// <param name="maxBytes">The most bytes.</param>
    /// <exception cref="IOException">There is no such file, or it is larger, or it is a pipe that nobody writes to.</exception>
    public static byte[] ReadBytes(string path, string what, long maxBytes)
    {
        string fullPath = Path.GetFullPath(path);
        if (Directory.Exists(fullPath))
            throw new IOException($"The {what} {fullPath} is a folder; give a file.");
        if (!File.Exists(fullPath))
            throw Missing(what, fullPath);
        using FileStream file = Open(fullPath, what);
        if (file.CanSeek && file.Length > maxBytes)
            throw TooLarge($"{what} {fullPath}", $"{file.Length} bytes", maxBytes);
        return ReadToEnd(file, $"{what} {fullPath}", maxBytes);
    }

    /// <summary>Reads a text file as UTF-8; a byte order mark is not part of the text.</summary>
    /// <exception cref="IOException">There is no such file, it is larger than <see cref="MaxTextBytes"/>, or it is not UTF-8.</exception>
    public static string ReadText(string path, string what) => Decode(ReadBytes(path, what, MaxTextBytes), $"{what} {Path.GetFullPath(path)}");

    /// <summary>The text of an option: the value itself; for <c>@FILE</c> the file's text; for <c>@@…</c> the text after the first @.</summary>
    /// <param name="value">The value on the command line.</param>
    /// <param name="what">The expected content, for messages: "prompt".</param>
    /// <exception cref="IOException">As <see cref="ReadText"/>.</exception>
    public static string TextOf(string value, string what) => value switch
    {
        ['@', '@', ..] => value[1..],
        ['@', _, ..] => ReadText(value[1..], what),
        _ => value,
    };

    /// <summary>The same; <c>-</c> stands for the text on standard input.</summary>
    /// <inheritdoc cref="TextOf(string, string)" path="//param|//exception"/>
    public static string TextOrInputOf(string value, string what)
    {
        if (value != "-")
            return TextOf(value, what);
        using Stream input = Console.OpenStandardInput();
        return TextOf(input, what);
    }

    internal static string TextOf(Stream input, string what) =>
        Decode(ReadToEnd(input, $"{what} on standard input", MaxTextBytes), $"{what} on standard input");

    /// <summary>Opens a file. A pipe opens only when somebody writes to it, and only the end of the process ends that wait: it has its own thread.</summary>
    private static FileStream Open(string fullPath, string what)
    {
        var opening = Task.Run(() => new FileStream(fullPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0));
        try
        {
            return opening.WaitAsync(PipePatience).GetAwaiter().GetResult();
        }
        catch (TimeoutException e)
        {
            throw new IOException($"The {what} {fullPath} is a pipe that nobody writes to; give a file.", e);
        }
        catch (FileNotFoundException e)
        {
            // A link that leads nowhere.
            throw Missing(what, fullPath, e);
        }
    }

    private static FileNotFoundException Missing(string what, string fullPath, Exception? inner = null) =>
        new($"The {what} {fullPath} does not exist; check the path.", inner);

    private static byte[] ReadToEnd(Stream stream, string what, long maxBytes)
    {
        using MemoryStream read = new();
        byte[] buffer = new byte[64 << 10];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            if (read.Length + count > maxBytes)
                throw TooLarge(what, "more", maxBytes);
            read.Write(buffer, 0, count);
        }

        return read.ToArray();
    }

    private static string Decode(byte[] bytes, string what)
    {
        try
        {
            ReadOnlySpan<byte> text = bytes;
            return StrictUtf8.GetString(text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text);
        }
        catch (DecoderFallbackException e)
        {
            throw new IOException($"The {what} is not UTF-8 text; save it as UTF-8.", e);
        }
    }

    private static IOException TooLarge(string what, string found, long maxBytes) =>
        new($"The {what} is too large: at most {maxBytes} bytes are read, found {found}; give a smaller one.");
}
