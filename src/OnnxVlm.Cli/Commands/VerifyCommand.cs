using System.CommandLine;
using System.Globalization;
using OnnxVlm.Evaluation.Verification;
using OnnxVlm.Imaging;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm verify</c>: compares the model with outputs of a reference implementation.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        Option<DirectoryInfo> model = SharedOptions.Model();
        Option<DirectoryInfo> goldens = new("--goldens")
        {
            Description = "A folder with cases/NAME/: input_ids.npy, image_k.png, logits.npy, tokens.npy, logits_gen.npy.",
            Required = true,
            HelpName = "DIR",
        };
        Option<double?> tolerance = StrictNumber.Option("--tolerance", "The largest absolute difference of a logit that passes. Default 0.0002.", "D");
        Option<string> device = SharedOptions.Device();
        Option<string> runner = SharedOptions.Runner();
        Command command = new("verify", "Compare the model with a reference implementation's logits and tokens.") { model, goldens, tolerance, device, runner };
        command.SetWork((result, _) =>
        {
            IReadOnlyList<string> folders = ReferenceCase.FoldersOf(result.GetValue(goldens)!.FullName);
            // References include images that a service would refuse, for example images that are one pixel high.
            ImageLimits limits = new() { MinSidePx = 1, MaxAspectRatio = 65535 };
            using VlmModel loaded = SharedOptions.LoadModel(result.GetValue(model)!, result.GetValue(device)!, limits, runner: result.GetValue(runner)!);
            IReadOnlyList<string> images = PreprocessingCase.FoldersOf(result.GetValue(goldens)!.FullName, loaded.Manifest.Image);
            IReadOnlyList<string> budgets = BudgetCase.FoldersOf(result.GetValue(goldens)!.FullName, loaded.Manifest.Image);
            int passed = folders.Count(folder => Check(loaded, folder, result.GetValue(tolerance) ?? 2e-4))
                + images.Count(folder => CheckPreprocessing(folder, () => PreprocessingCase.Compare(folder, loaded.Manifest.Image, loaded.ImagePreprocessor)))
                + budgets.Count(folder => CheckPreprocessing(folder, () => BudgetCase.Compare(
                    folder, loaded.Manifest.Image, loaded.ImagePreprocessor.Decode(File.ReadAllBytes(Path.Combine(folder, "image.png"))))));
            int all = folders.Count + images.Count + budgets.Count;
            Console.Out.WriteLine($"{passed} of {all} cases pass");
            return Task.FromResult(passed == all ? ExitCode.Done : ExitCode.Failed);
        });
        return command;
    }

    private static bool CheckPreprocessing(string folder, Func<string> compare)
    {
        string name = $"preprocess/{Path.GetFileName(folder)}";
        try
        {
            Console.Out.WriteLine($"pass  {name}: {compare()}");
            return true;
        }
        catch (VlmException e)
        {
            Console.Out.WriteLine($"MISS  {name}: {e.Message}");
            return false;
        }
    }

    private static bool Check(VlmModel model, string folder, double tolerance)
    {
        string name = Path.GetFileName(folder);
        try
        {
            Comparison found = Verifier.Compare(model, ReferenceCase.Load(folder, model));
            bool pass = found.MaxDifference <= tolerance && found.TokensEqual;
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{(pass ? "pass" : "MISS")}  {name}: max |Δlogit| {found.MaxDifference:E2} over {found.Rows} of {found.AllRows} rows and the continuation, " +
                $"greedy tokens {(found.TokensEqual ? "equal" : "DIFFER")}"));
            return pass;
        }
        catch (VlmException e)
        {
            Console.Out.WriteLine($"MISS  {name}: {e.Message}");
            return false;
        }
    }
}
