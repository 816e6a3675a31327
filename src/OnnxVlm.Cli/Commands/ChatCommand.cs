using System.CommandLine;
using Microsoft.Extensions.AI;
using OnnxVlm.Cli.Chat;
using OnnxVlm.Cli.Models;
using OnnxVlm.Generation;
using OnnxVlm.Prompting;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary>
/// <c>onnxvlm chat</c>: a conversation in the terminal. With redirected input it reads lines, so that scripts can drive it; exit code 1 then
/// means that a line failed.
/// </summary>
internal static class ChatCommand
{
    public const string Name = "chat";

    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.NamedModel();
        Option<bool> yes = SharedOptions.Yes();
        Option<FileInfo[]> images = SharedOptions.Files("--image", "An image for the first message; may be given several times.");
        Option<string?> system = new("--system") { Description = "The system message, or @FILE.", HelpName = "TEXT" };
        Option<string> device = SharedOptions.Device();
        Option<string> runner = SharedOptions.Runner();
        Option<int?> imageTokens = SharedOptions.ImageTokens();
        Option<bool> blendAlpha = SharedOptions.BlendAlpha();
        GenerationArguments generation = new();
        Command command = new(Name, "Talk with the model in the terminal, about images or not.")
        {
            model, images, system, imageTokens, blendAlpha, device, runner, yes,
        };
        generation.AddTo(command);

        command.SetWork(async (result, cancellationToken) =>
        {
            GenerationOptions options = generation.Read(result);
            if (options.TopLogprobs is not null)
                throw new WrongArgumentException("chat shows no log probabilities; use run --logprobs for them.");
            DirectoryInfo folder = await ModelLocator.LocateAsync(
                result.GetValue(model)!, result.GetValue(device)!, result.GetValue(yes), cancellationToken).ConfigureAwait(false);
            using VlmModel loaded = SharedOptions.LoadModel(
                folder, result.GetValue(device)!, imageTokens: result.GetValue(imageTokens), blendAlpha: result.GetValue(blendAlpha),
                runner: result.GetValue(runner)!);
            bool isInteractive = !Console.IsInputRedirected && !Console.IsOutputRedirected;
            TerminalAbilities abilities = TerminalAbilities.Detect(Environment.GetEnvironmentVariable, OperatingSystem.IsWindows());
            // As a side effect, asking Spectre makes Windows understand escape sequences.
            bool movesCursor = abilities.MovesCursor && (!OperatingSystem.IsWindows() || AnsiConsole.Profile.Capabilities.Ansi);
            using TerminalChatConsole? terminal = isInteractive && movesCursor ? new TerminalChatConsole(abilities) : null;
            IChatConsole console = terminal ?? (IChatConsole)new PlainChatConsole(Console.In, Console.Out, Console.Error, isInteractive ? "> " : null);

            GenerationOptions watched = movesCursor && isInteractive ? options with { OnPrefill = new PrefillLine(Console.Error).Report } : options;
            IAsyncEnumerable<GenerationUpdate> Answer(IReadOnlyList<ChatMessage> messages, CancellationToken stop) =>
                loaded.GenerateAsync(loaded.CreatePrompt(messages, new PromptOptions(), stop), watched, stop);
            ChatSession session = new(console, loaded.ImagePreprocessor, Answer, options, folder.Name);
            session.History.System = result.GetValue(system) is { } text ? InputFile.TextOf(text, "system message") : null;
            if (isInteractive)
            {
                string where = loaded.Device.ToString().ToLowerInvariant();
                console.WriteNote($"{folder.Name} on {where}, {loaded.Manifest.ContextLength} tokens of context · /help lists the commands");
            }
            foreach (FileInfo image in result.GetValue(images) ?? [])
                session.Attach(image.FullName);
            await session.RunAsync(cancellationToken).ConfigureAwait(false);
            return isInteractive || session.Errors == 0 ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }
}
