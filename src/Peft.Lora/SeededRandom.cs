using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>Random numbers that a seed in a file stands for: drawn on the CPU as Hugging Face PEFT draws them, so that both get the same.</summary>
/// <param name="seed">The seed; null for torch's own random numbers.</param>
/// <param name="device">Where the numbers will go: for the device meta, which has shapes alone, none are drawn.</param>
internal sealed class SeededRandom(long? seed, Device device) : IDisposable
{
    private readonly Device place = device.type == DeviceType.META ? device : CPU;
    private readonly Generator? generator = seed is not { } given || device.type == DeviceType.META ? null : new(unchecked((ulong)given));

    /// <summary>Uniform on ±√(6/fan-in), Kaiming's rule for rectified units. Fan-in is the product of all dimensions but the first.</summary>
    public Tensor KaimingUniform(params long[] shape)
    {
        var bound = Math.Sqrt(6.0 / shape[1..].Aggregate(1L, (a, b) => a * b));
        return New(shape).uniform_(-bound, bound, generator);
    }

    /// <summary>Uniform between ±bound in bfloat16, as PyTorch 2.14 rounds it: what reaches the upper bound becomes the lower one.</summary>
    public Tensor UniformBFloat16(double bound, params long[] shape)
    {
        var rounded = New(shape).uniform_(-bound, bound, generator).to_type(ScalarType.BFloat16);
        if (IsMeta) return rounded;
        var limit = tensor((float)bound).to_type(ScalarType.BFloat16);
        return where(rounded.ge(limit), limit.neg(), rounded);
    }

    /// <summary>Uniform between 0 and 1.</summary>
    public Tensor Uniform(params long[] shape) => New(shape).uniform_(0, 1, generator);

    /// <summary>Normal with mean 0 and deviation 1.</summary>
    public Tensor Normal(params long[] shape) => New(shape).normal_(0, 1, generator);

    /// <summary>Different numbers below a limit, in no order.</summary>
    public Tensor Choose(long count, long below)
        => count > below ? throw new AdapterOptionsException($"{count} different numbers are to be chosen from {below}: lower the count.")
            : IsMeta ? empty(count, ScalarType.Int64, place) : randperm(AdapterPlan.Allow(place, below)[0], generator: generator).narrow(0, 0, count);

    private bool IsMeta => place.type == DeviceType.META;

    private Tensor New(long[] shape) => empty(AdapterPlan.Allow(place, shape), device: place);

    public void Dispose() => generator?.Dispose();
}
