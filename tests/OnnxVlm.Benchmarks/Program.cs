using BenchmarkDotNet.Running;

// dotnet run -c Release --project tests/OnnxVlm.Benchmarks -- --filter '*'
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
