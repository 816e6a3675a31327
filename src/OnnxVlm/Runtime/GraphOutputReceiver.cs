namespace OnnxVlm.Runtime;

/// <summary>Takes an output of a run of <see cref="GraphProbe"/>.</summary>
/// <param name="name">Name of the output.</param>
/// <param name="shape">Its sides.</param>
/// <param name="numbers">Its numbers, row-major; valid during the call.</param>
public delegate void GraphOutputReceiver(string name, long[] shape, ReadOnlySpan<float> numbers);
