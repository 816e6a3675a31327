// Each test has a browser profile of its own; more of them at once only take each other's time.
[assembly: LevelOfParallelism(2)]
[assembly: Parallelizable(ParallelScope.Fixtures)]
