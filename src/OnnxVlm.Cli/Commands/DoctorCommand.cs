using System.CommandLine;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using OnnxVlm.Runtime;
using Spectre.Console;

namespace OnnxVlm.Cli.Commands;

/// <summary><c>onnxvlm doctor</c>: which devices work here, and what is missing for the others.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        Command command = new("doctor", "Tell which devices work on this machine, and what is missing for the others.");
        command.SetWork((_, _) =>
        {
            Console.Out.WriteLine(
                $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, " +
                $"{Environment.ProcessorCount} processors, {RuntimeInformation.FrameworkDescription}");
            if (DeviceCatalog.MissingFor(Device.Cpu) is { } missing)
                throw new ModelLoadException(missing);
            Console.Out.WriteLine(
                $"ONNX Runtime {OrtEnv.Instance().GetVersionString()}, providers: {string.Join(", ", OrtEnv.Instance().GetAvailableProviders())}");
            Console.Out.WriteLine("images decoded by SkiaSharp");
            Table table = PlainTable.Create("device", "works", "what is missing");
            foreach (Device device in DeviceCatalog.Candidates)
                table.AddRow(device.ToString().ToLowerInvariant(), DeviceCatalog.MissingFor(device) is null ? "yes" : "no",
                    Markup.Escape(DeviceCatalog.MissingFor(device) ?? DeviceCatalog.OptionalFor(device) ?? ""));
            PlainTable.Write(table);
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }
}
