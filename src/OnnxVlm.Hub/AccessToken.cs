using OnnxVlm.Hub.Cache;

namespace OnnxVlm.Hub;

/// <summary>Finds the access token of the hub, as Hugging Face's own client does.</summary>
internal static class AccessToken
{
    /// <summary>The token. Null where there is none, or where implicit tokens are disabled and none is given explicitly.</summary>
    /// <exception cref="ModelHubException">The text cannot be a token: a header cannot hold it. The message does not show it.</exception>
    public static string? Find(Func<string, string?> environment)
    {
        if (environment("HF_HUB_DISABLE_IMPLICIT_TOKEN")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE")
            return null;
        foreach (string name in new[] { "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN" })
        {
            if (Clean(environment(name), name) is string token)
                return token;
        }

        string path = environment("HF_TOKEN_PATH") is string given
            ? HuggingFaceCache.Expand(given, environment)
            : Path.Combine(HuggingFaceCache.FindHome(environment), "token");
        try
        {
            return File.Exists(path) ? Clean(File.ReadAllText(path), path) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelHubException(
                ModelHubError.TokenRefused, $"{path}: the token cannot be read ({exception.Message}); check the file's permissions", exception);
        }
    }

    private static string? Clean(string? text, string where)
    {
        string? token = text?.Trim();
        if (string.IsNullOrEmpty(token))
            return null;
        return token.All(letter => letter is > ' ' and <= '~')
            ? token
            : throw new ModelHubException(
                ModelHubError.TokenRefused, $"{where}: holds no token of the hub (it has spaces or other letters in it); set it again");
    }
}
