using System.Globalization;
using BenchmarkDotNet.Running;
using OnnxVlm.Benchmarks;

// dotnet run -c Release --project tests/OnnxVlm.Benchmarks -- --filter '*'
// dotnet run -c Release --project tests/OnnxVlm.Benchmarks -- damaged [COUNT [SEED]]
if (args is ["damaged", ..])
{
    DamagedImagesReport.Run(args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 2000, args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 1);
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
