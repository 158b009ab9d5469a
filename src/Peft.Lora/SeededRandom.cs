namespace Peft.Lora;

/// <summary>Random values from a seed in a file, drawn on the CPU as in Hugging Face PEFT, so that both get the same values.</summary>
/// <param name="seed">The seed; null to use torch's global random generator.</param>
/// <param name="device">The device of the adapter. On the meta device, which has shapes but no values, nothing is drawn.</param>
internal sealed class SeededRandom(long? seed, Device device) : IDisposable
{
    private readonly Device drawDevice = device.type == DeviceType.META ? device : CPU;
    private readonly Generator? generator = seed is not { } given || device.type == DeviceType.META ? null : new(unchecked((ulong)given));

    /// <summary>Uniform in ±√(6/fan-in), the Kaiming initialization for ReLU. The fan-in is the product of all dimensions but the first.</summary>
    public Tensor KaimingUniform(params long[] shape)
    {
        var bound = Math.Sqrt(6.0 / shape[1..].Aggregate(1L, (a, b) => a * b));
        return New(shape).uniform_(-bound, bound, generator);
    }

    /// <summary>Uniform in ±bound, in bfloat16 with the rounding of PyTorch 2.14: values that reach the upper bound become the lower bound.</summary>
    public Tensor UniformBFloat16(double bound, params long[] shape)
    {
        var rounded = New(shape).uniform_(-bound, bound, generator).to_type(ScalarType.BFloat16);
        if (IsMeta) return rounded;
        var limit = tensor((float)bound).to_type(ScalarType.BFloat16);
        return where(rounded.ge(limit), limit.neg(), rounded);
    }

    /// <summary>Uniform between 0 and 1.</summary>
    public Tensor Uniform(params long[] shape) => New(shape).uniform_(0, 1, generator);

    /// <summary>Normally distributed with mean 0 and standard deviation 1.</summary>
    public Tensor Normal(params long[] shape) => New(shape).normal_(0, 1, generator);

    /// <summary>Distinct random indices below a limit, in random order.</summary>
    public Tensor Choose(long count, long below)
        => count > below ? throw new AdapterOptionsException($"{count} distinct indices cannot be chosen from {below}: lower the count.")
            : IsMeta ? empty(count, ScalarType.Int64, drawDevice) : randperm(AdapterPlan.Allow(drawDevice, below)[0], generator: generator).narrow(0, 0, count);

    private bool IsMeta => drawDevice.type == DeviceType.META;

    private Tensor New(long[] shape) => empty(AdapterPlan.Allow(drawDevice, shape), device: drawDevice);

    public void Dispose() => generator?.Dispose();
}
