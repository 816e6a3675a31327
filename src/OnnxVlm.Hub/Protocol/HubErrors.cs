using System.Net;
using System.Text;
using System.Text.Json;
using OnnxVlm.Hub.Http;

namespace OnnxVlm.Hub.Protocol;

/// <summary>Explains errors of the hub, and what to do about them.</summary>
internal static class HubErrors
{
    private const int MaxBodyBytes = 4096;

    /// <summary>Reads an error. Its body is shown in part and in one line; nothing that was sent is shown.</summary>
    public static async Task<ModelHubException> ReadAsync(
        HttpResponseMessage response, FileRequest request, ModelHubOptions options, CancellationToken cancellationToken)
    {
        string said = Header(response, "X-Error-Message") ?? await ReadBodyAsync(response, options.DownloadTimeout, cancellationToken).ConfigureAwait(false);
        string page = $"{options.Endpoint}{request.Id}";
        return (response.StatusCode, Header(response, "X-Error-Code")) switch
        {
            (_, "RevisionNotFound") => Error(ModelHubError.RevisionNotFound, $"{request.Id} has no revision {request.Revision}; {page}/branches lists them"),
            (_, "EntryNotFound") => Error(ModelHubError.NotFound,
                $"{request.Id} has no file {request.Path}; only checkpoints with safetensors weights and model folders can be pulled"),
            (HttpStatusCode.Forbidden, "GatedRepo") => Error(ModelHubError.GatedWithoutConsent,
                $"{request.Id} has terms that your account has not accepted, or your token may not read such models; " +
                $"open {page} in a browser, accept them, and pull again"),
            (_, "GatedRepo") => Error(ModelHubError.GatedWithoutToken,
                $"{request.Id} has terms to accept; " +
                $"open {page} in a browser, accept them, make a token at {options.Endpoint}settings/tokens, set HF_TOKEN to it, and pull again"),
            (HttpStatusCode.Unauthorized, _) when said.Contains("credentials", StringComparison.OrdinalIgnoreCase) => Error(ModelHubError.TokenRefused,
                "the hub refuses the token; " +
                $"make a new one at {options.Endpoint}settings/tokens and set HF_TOKEN to it, or unset it for models that everybody may read"),
            (_, "RepoNotFound") or (HttpStatusCode.Unauthorized or HttpStatusCode.NotFound, _) => Error(ModelHubError.NotFound,
                $"there is no model {request.Id} on {options.Endpoint.Host}" +
                $"{(options.Token is null ? ", or it is private" : ", or your token may not see it")}; " +
                $"check the name{(options.Token is null ? ", or set HF_TOKEN" : "")}"),
            (HttpStatusCode.Forbidden, _) => Error(ModelHubError.NotFound, $"{request.Id}: the hub forbids it{Quote(said)}"),
            _ => Error(ModelHubError.Other,
                $"{request.Id}: the hub answers {(int)response.StatusCode} {response.ReasonPhrase}{Quote(said)}" +
                (Header(response, "X-Request-Id") is string id ? $"; request {id}" : "")),
        };
    }

    /// <summary>The beginning of an answer's text, in one line.</summary>
    public static async Task<string> ReadBodyAsync(HttpResponseMessage response, TimeSpan patience, CancellationToken cancellationToken)
    {
        byte[] block = new byte[MaxBodyBytes];
        int read = 0;
        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            while (read < block.Length
                && await StallingRead.ReadAsync(body, block.AsMemory(read), patience, cancellationToken).ConfigureAwait(false) is > 0 and int more)
                read += more;
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException or TimeoutException)
        {
            // What has arrived is enough: the status says what the error is.
        }

        string text = Encoding.UTF8.GetString(block, 0, read);
        try
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.ValueKind == JsonValueKind.Object
                && json.RootElement.TryGetProperty("error", out JsonElement error) && error.ValueKind == JsonValueKind.String)
                text = error.GetString()!;
        }
        catch (JsonException)
        {
            // Plain text, or a page.
        }

        text = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return new string([.. text.Take(200).Where(letter => !char.IsControl(letter))]);
    }

    private static string Quote(string said) => said.Length == 0 ? "" : $": {said}";

    private static ModelHubException Error(ModelHubError error, string message) => new(error, message);

    /// <summary>The first value of a header; null for none.</summary>
    public static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;
}
