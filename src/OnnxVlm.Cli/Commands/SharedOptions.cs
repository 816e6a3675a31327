using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxVlm.Imaging;
using OnnxVlm.Runtime;

namespace OnnxVlm.Cli.Commands;

/// <summary>Options that several commands share, and the meaning of their values.</summary>
internal static class SharedOptions
{
    public static Option<DirectoryInfo> Model() => new("--model") { Description = "The model folder.", Required = true, HelpName = "DIR" };

    /// <summary>A model that may also be given by name; <see cref="Models.ModelLocator"/> finds its folder.</summary>
    public static Option<DirectoryInfo> NamedModel() => new("--model")
    {
        Description = "The model: a folder, a name of onnxvlm list, or OWNER/NAME as on the hub, which is offered for download.",
        Required = true,
        HelpName = "DIR|NAME",
    };

    /// <summary>Images, or other files that may be several.</summary>
    /// <param name="name">The name of the option.</param>
    /// <param name="description">What it is.</param>
    public static Option<FileInfo[]> Files(string name, string description)
    {
        Option<FileInfo[]> option = new(name) { Description = description, HelpName = "FILE" };
        option.Validators.Add(RefuseEmptyNames);
        return option;
    }

    /// <summary>The parser refuses an empty name of one file by itself, and fails at one of several.</summary>
    public static void RefuseEmptyNames(SymbolResult result)
    {
        if (result.Tokens.Any(token => token.Value.Length == 0))
            result.AddError($"{(result as OptionResult)?.Option.Name ?? (result as ArgumentResult)?.Argument.Name}: expected a name, found an empty one.");
    }

    public static Option<bool> Yes() => new("--yes", "-y") { Description = "Download without asking." };

    public static Option<string> Device()
    {
        Option<string> option = new("--device") { Description = "Where the model runs.", DefaultValueFactory = _ => "auto" };
        option.AcceptOnlyFromAmong("auto", "cuda", "directml", "cpu");
        return option;
    }

    public static Option<string> Runner()
    {
        Option<string> option = new("--runner")
        {
            Description = "What runs the model: ort runs all answers as one batch, genai each by itself. Default ort on cpu and cuda, genai elsewhere.",
            DefaultValueFactory = _ => "auto",
        };
        option.AcceptOnlyFromAmong("auto", "ort", "genai");
        return option;
    }

    /// <summary>The runner that a value of <c>--runner</c> names.</summary>
    /// <param name="name">The value.</param>
    public static Runner RunnerOf(string name) => Enum.Parse<Runner>(name, ignoreCase: true);

    public static Option<bool> NoTrial() => new("--no-trial") { Description = "Do not run the finished graph for one token." };

    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object instead of text." };

    public static Option<int?> ImageTokens() => new("--image-tokens")
    {
        Description = "The most tokens of an image, for models with several budgets (Gemma: 70, 140, 280, 560, 1120; NEO: 64 to 4096).",
        HelpName = "N",
    };

    public static Option<bool> BlendAlpha() => new("--blend-alpha") { Description = "Lay transparent images over white, whatever the model's own rule." };

    /// <summary>Loads a model.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="device">The value of <c>--device</c>.</param>
    /// <param name="limits">Limits on images; null for the defaults.</param>
    /// <param name="imageTokens">The value of <c>--image-tokens</c>.</param>
    /// <param name="blendAlpha">The value of <c>--blend-alpha</c>.</param>
    /// <param name="runner">The value of <c>--runner</c>.</param>
    public static VlmModel LoadModel(
        DirectoryInfo folder, string device, ImageLimits? limits = null, int? imageTokens = null, bool blendAlpha = false,
        string runner = "auto") => VlmModel.Load(folder.FullName, new VlmOptions
    {
        Device = device switch
        {
            "cuda" => Runtime.Device.Cuda,
            "directml" => Runtime.Device.DirectMl,
            "cpu" => Runtime.Device.Cpu,
            _ => Runtime.Device.Auto,
        },
        ImageLimits = limits ?? new ImageLimits(),
        MaxImageTokens = imageTokens,
        BlendAlpha = blendAlpha,
        Runner = RunnerOf(runner),
    });
}
