using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>Random numbers that a seed in a file stands for: drawn on the CPU as Hugging Face PEFT draws them, so that both get the same.</summary>
internal sealed class SeededRandom(long seed) : IDisposable
{
    private readonly Generator generator = new((ulong)seed);

    /// <summary>Uniform on ±√(6/fan-in), Kaiming's rule for rectified units. Fan-in is the product of all dimensions but the first.</summary>
    public Tensor KaimingUniform(params long[] shape)
    {
        var bound = Math.Sqrt(6.0 / shape[1..].Aggregate(1L, (a, b) => a * b));
        return empty(shape).uniform_(-bound, bound, generator);
    }

    /// <summary>Uniform between ±bound in bfloat16, as PyTorch 2.14 rounds it: what reaches the upper bound becomes the lower one.</summary>
    public Tensor UniformBFloat16(double bound, params long[] shape)
    {
        var rounded = empty(shape).uniform_(-bound, bound, generator).to_type(ScalarType.BFloat16);
        var limit = tensor((float)bound).to_type(ScalarType.BFloat16);
        return where(rounded.ge(limit), limit.neg(), rounded);
    }

    /// <summary>Uniform between 0 and 1.</summary>
    public Tensor Uniform(params long[] shape) => rand(shape, generator: generator);

    /// <summary>Normal with mean 0 and deviation 1.</summary>
    public Tensor Normal(params long[] shape) => randn(shape, generator: generator);

    /// <summary>Different numbers below a limit, in no order.</summary>
    public Tensor Choose(long count, long below) => randperm(below, generator: generator).narrow(0, 0, count);

    public void Dispose() => generator.Dispose();
}
