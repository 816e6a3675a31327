using Microsoft.Extensions.Options;
using OnnxVlm.ModelFolder;

namespace OnnxVlm.Server.Hosting;

/// <summary>Checks what attributes cannot say: model names are unlike each other, folders are model folders, keys are not empty.</summary>
internal sealed class ServerOptionsRules : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        List<string> failures = [];
        foreach (IGrouping<string, ModelOptions> group in options.Models.GroupBy(model => model.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
            failures.Add($"Models: two have the name \"{group.Key}\"; give each its own (--model NAME=DIR).");
        foreach (ModelOptions model in options.Models.Where(model => model.Folder.Length > 0 && !File.Exists(Path.Combine(model.Folder, ModelManifest.FileName))))
            failures.Add($"Models: {model.Folder} has no {ModelManifest.FileName}; give the folder that `onnxvlm export` wrote.");
        if (options.ApiKeys.Exists(string.IsNullOrWhiteSpace))
            failures.Add("ApiKeys: a key is empty; leave it out or give it a text.");
        if (options.AllowedOrigins.Contains("*"))
            failures.Add("AllowedOrigins: * would let every page use the service; name the origins.");
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }
}
