using System.CommandLine;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OnnxVlm.Cli.Models;
using OnnxVlm.Hub;
using OnnxVlm.Server;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm serve</c>: the HTTP service. Settings without an argument here are read from appsettings.json or the environment.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    private const string Prefix = "OnnxVlmServer:";

    public static Command Create()
    {
        Option<string[]> models = new("--model")
        {
            Description = "A model, optionally with the name that requests use: " +
                "a folder, a name of onnxvlm list, or OWNER/NAME as on the hub, which is offered for download. May be given several times.",
            HelpName = "[NAME=]DIR|NAME",
        };
        Option<bool> all = new("--all-models") { Description = "Serve every model of onnxvlm list." };
        Option<bool> yes = SharedOptions.Yes();
        Option<string?> urls = new("--urls") { Description = "Where to listen, separated by semicolons. Default http://127.0.0.1:8080.", HelpName = "URLS" };
        Option<string[]> keys = new("--api-key")
        {
            Description = "A key that requests must bring; may be given several times. Others see it in the list of processes: " +
                "better set OnnxVlmServer__ApiKeys__0 in the environment.",
            HelpName = "KEY",
        };
        Option<int?> running = new("--parallel") { Description = "Requests answered at the same time. Default 16.", HelpName = "N" };
        Option<string> device = SharedOptions.Device();
        Option<string> runner = SharedOptions.Runner();
        Command command = new(Name, "Serve models over HTTP, compatible with OpenAI's API, with a web page.")
        {
            models, all, urls, keys, running, device, runner, yes,
        };
        command.SetWork(async (result, cancellationToken) =>
        {
            if (result.GetValue(running) < 1)
                throw new WrongArgumentException($"--parallel: expected at least 1, found {result.GetValue(running)}.");
            Dictionary<string, string?> settings = [];
            List<(string Name, string Folder)> served = [];
            foreach ((string name, string model) in (result.GetValue(models) ?? []).Select(ReadModel))
                served.Add((name, Path.GetFullPath(
                    await LocateAsync(model, result.GetValue(device)!, result.GetValue(yes), cancellationToken).ConfigureAwait(false))));
            if (result.GetValue(all))
                served.AddRange(LocalModels().Where(local => served.All(model => model.Folder != local.Folder)));
            foreach ((int i, (string name, string folder)) in served.Index())
            {
                settings[string.Create(CultureInfo.InvariantCulture, $"{Prefix}Models:{i}:Name")] = name;
                settings[string.Create(CultureInfo.InvariantCulture, $"{Prefix}Models:{i}:Folder")] = folder;
                settings[string.Create(CultureInfo.InvariantCulture, $"{Prefix}Models:{i}:Device")] = result.GetValue(device);
                settings[string.Create(CultureInfo.InvariantCulture, $"{Prefix}Models:{i}:Runner")] = result.GetValue(runner);
            }
            foreach ((int i, string key) in (result.GetValue(keys) ?? []).Index())
                settings[string.Create(CultureInfo.InvariantCulture, $"{Prefix}ApiKeys:{i}")] = key;
            if (result.GetValue(urls) is { } given)
                settings["urls"] = given;
            if (result.GetValue(running) is { } count)
                settings[$"{Prefix}MaxRunning"] = count.ToString(CultureInfo.InvariantCulture);
            await RunAsync(settings, cancellationToken).ConfigureAwait(false);
            return ExitCode.Done;
        });
        return command;
    }

    // A model that does not exist is a wrong argument; a pull that fails is failed work.
    private static async Task<string> LocateAsync(string model, string device, bool yes, CancellationToken cancellationToken)
    {
        try
        {
            return await ModelLocator.LocateAsync(model, device, yes, cancellationToken).ConfigureAwait(false);
        }
        catch (ModelLoadException e)
        {
            throw new WrongArgumentException(e.Message, e);
        }
    }

    private static async Task RunAsync(Dictionary<string, string?> settings, CancellationToken cancellationToken)
    {
        WebApplication app;
        try
        {
            app = OnnxVlmServer.Create(settings);
        }
        catch (Exception e) when (e is OptionsValidationException or InvalidOperationException or InvalidDataException)
        {
            throw new WrongArgumentException(e is InvalidDataException ? $"{e.Message} {e.GetBaseException().Message}" : e.Message, e);
        }
        await using (app)
        {
            try
            {
                await app.StartAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (InvalidOperationException e) when (e is not ObjectDisposedException)
            {
                // An address or a certificate is wrong.
                throw new WrongArgumentException(e.Message, e);
            }
            Console.Error.WriteLine($"Listening on {string.Join(", ", app.Urls)} · Ctrl-C stops");
            // The host stops at Ctrl-C and SIGTERM by itself, and lets running answers finish.
            await app.WaitForShutdownAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static IEnumerable<(string Name, string Folder)> LocalModels()
    {
        using ModelHub hub = new();
        return [.. hub.List().Where(model => model.State == LocalModelState.Ready).Select(model => (model.Reference.ToString(), model.Folder))];
    }

    // The path of a folder may contain a =, so the text before it is a name only if it is not a path. A folder is served under its own name, and a
    // model with a given name keeps that.
    private static (string Name, string Model) ReadModel(string argument)
    {
        if (string.IsNullOrWhiteSpace(argument))
            throw new WrongArgumentException("--model: expected a folder or a name, found nothing.");
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string name = equals > 0 ? argument[..equals] : "";
        return name.Length > 0 && name.IndexOfAny(['/', '\\']) < 0 ? (name, argument[(equals + 1)..])
            : Directory.Exists(argument) || !ModelReference.TryParse(argument, out _) ? (new DirectoryInfo(argument).Name, argument)
            : (argument, argument);
    }
}
