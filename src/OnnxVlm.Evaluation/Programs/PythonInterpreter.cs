namespace OnnxVlm.Evaluation.Programs;

/// <summary>Finds a Python 3 interpreter that works under the conditions of an evaluation.</summary>
internal static class PythonInterpreter
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(10);

    /// <summary>Searches PATH for python3, then for python, and tries each.</summary>
    /// <returns>The path of the first that is Python 3; null without one.</returns>
    public static string? Find()
    {
        string[] names = OperatingSystem.IsWindows() ? ["python3.exe", "python.exe"] : ["python3", "python"];
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        return names.SelectMany(name => folders.Select(folder => Path.Combine(folder, name))).FirstOrDefault(path => File.Exists(path) && IsPython3(path));
    }

    // A file with that name may be a version manager's stub that needs more than a bare environment.
    private static bool IsPython3(string path)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("onnxvlm-python-");
        try
        {
            return ConfinedProcess.RunAsync(path, ["-I", "-S", "-c", "import sys; sys.exit(sys.version_info[0] != 3)"], folder.FullName, TimeLimit,
                CancellationToken.None).GetAwaiter().GetResult() == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
