using Microsoft.Extensions.Options;
using OnnxVlm.ModelFolder;
using OnnxVlm.Server.Security;

namespace OnnxVlm.Server.Hosting;

/// <summary>Checks what attributes cannot express: model names differ, folders are model folders, keys are not empty.</summary>
internal sealed class ServerOptionsRules : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        List<string> failures = [];
        foreach (IGrouping<string, ModelOptions> group in options.Models.GroupBy(model => model.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
            failures.Add($"Models: two have the name \"{group.Key}\"; give each its own (--model NAME=DIR).");
        foreach (ModelOptions model in options.Models.Where(
            model => model.Folder.Length > 0 && !File.Exists(Path.Combine(model.Folder, ModelManifest.FileName))))
            failures.Add($"Models: {model.Folder} has no {ModelManifest.FileName}; give the folder that `onnxvlm export` wrote.");
        if (options.ApiKeys.Exists(string.IsNullOrWhiteSpace))
            failures.Add("ApiKeys: a key is empty; leave it out or give it a text.");
        if (options.ApiKeys.Exists(key => key.Length > ApiKeyGate.MaxKeyLength))
            failures.Add($"ApiKeys: a key is longer than {ApiKeyGate.MaxKeyLength} characters; take a shorter one.");
        failures.AddRange(options.AllowedOrigins.Select(WhatIsWrong).OfType<string>().Select(wrong => $"AllowedOrigins: {wrong}"));
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    // An origin is compared as text, so one that a browser would never send would never match.
    private static string? WhatIsWrong(string origin)
    {
        if (origin == "*")
            return "* would let every page use the service; name the origins.";
        if (origin.Equals("null", StringComparison.OrdinalIgnoreCase))
            return "null is the origin of every page in a sandbox, whoever wrote it; name the origins.";
        if (origin.Contains('*', StringComparison.Ordinal))
            return $"{origin} has a *, which stands for nothing here; name each origin.";
        return Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0
            && uri.GetLeftPart(UriPartial.Authority).Equals(origin.TrimEnd('/'), StringComparison.OrdinalIgnoreCase)
            ? null
            : $"{origin} is no origin; expected scheme, host and port as a browser sends them, for example https://example.org.";
    }
}
