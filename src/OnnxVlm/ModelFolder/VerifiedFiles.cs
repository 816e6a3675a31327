using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OnnxVlm.ModelFolder;

/// <summary>
/// Remembers the hashes of large files, with their size and the time of their last change, so that gigabytes are not read again each time a model is
/// loaded. A file that has been written to since is read again. This guards against damage, not against someone who sets the clock back: whoever can
/// write to the folder can write its manifest.
/// </summary>
/// <param name="folder">The folder of the notes, one small file each; null to remember nothing.</param>
internal sealed class VerifiedFiles(string? folder)
{
    /// <summary>The notes of this user.</summary>
    public static VerifiedFiles OfUser { get; } = new(
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData) is { Length: > 0 } data ? Path.Combine(data, "onnxvlm", "verified") : null);

    /// <summary>Whether the file was found to have this hash, and has not changed since.</summary>
    public bool Contains(string path, string hash)
    {
        try
        {
            return folder is not null && File.Exists(NoteOf(path)) && File.ReadAllText(NoteOf(path)) == Describe(path, hash);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // No note: the file is read.
            return false;
        }
    }

    /// <summary>Records that the file has this hash.</summary>
    /// <param name="path">The file.</param>
    /// <param name="description">What <see cref="Describe"/> returned before the file was read.</param>
    public void Add(string path, string description)
    {
        if (folder is null)
            return;
        try
        {
            Directory.CreateDirectory(folder);
            string temporary = $"{NoteOf(path)}.{Guid.NewGuid():N}";
            File.WriteAllText(temporary, description);
            File.Move(temporary, NoteOf(path), overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // If the user's folder is not writable, the file is read again next time; nothing else is lost.
        }
    }

    /// <summary>Hash, size and time of the last change.</summary>
    public static string Describe(string path, string hash)
    {
        FileInfo file = new(path);
        return string.Create(CultureInfo.InvariantCulture, $"{hash} {file.Length} {file.LastWriteTimeUtc.Ticks}");
    }

    private string NoteOf(string path) => Path.Combine(folder!, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(path)))));
}
