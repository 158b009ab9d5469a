using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Adam with decoupled weight decay (Loshchilov and Hutter 2017, arXiv:1711.05101) over flat parameters, with the same steps as
/// <c>torch.optim.AdamW</c>: θ ← θ − η·λ·θ − η·m̂ / (√v̂ + ε), where m̂ and v̂ are the bias-corrected running means of the gradient and its square.
/// </summary>
public sealed class FlatAdamW : FlatOptimizer
{
    private readonly AdamWOptions options;
    private readonly PagedMemory? pages;
    private readonly List<Moments> moments = [];

    /// <summary>Creates an optimizer with zero moments.</summary>
    /// <param name="parameters">The parameters to optimize, created with the groups of the options. The optimizer does not own them.</param>
    /// <param name="learningRate">Learning rate η before the schedule.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message lists all errors.</exception>
    /// <exception cref="TrainingException">Paged states cannot be written, or parameters are not on the CPU.</exception>
    public FlatAdamW(FlatParameters parameters, double learningRate, AdamWOptions? options = null) : base(parameters, learningRate, options ??= new())
    {
        this.options = options;
        pages = PagesOf(options.Paged, options.PageFolder);
        try
        {
            foreach (var buffer in parameters.Buffers) moments.Add(new(buffer, 1 - options.Beta1, pages));
        }
        catch
        {
            Release();
            throw;
        }
    }

    private protected override PagedMemory? Pages => pages;

    private protected override void Update(double scheduleFactor)
    {
        var meanCorrection = 1 - Math.Pow(options.Beta1, Steps);
        var root = Math.Sqrt(1 - Math.Pow(options.Beta2, Steps));
        var smallest = options.EpsilonBeforeCorrection ? options.Epsilon / root : options.Epsilon;
        Scalar rootCorrection = Constant(root);
        Scalar beta2 = Constant(options.Beta2);
        Scalar rest2 = Constant(1 - options.Beta2);
        Scalar epsilon = Constant(smallest);
        foreach (var (buffer, mean, square, rest1) in moments)
        {
            if (TorchRuntime.Cpu.AdamW && TensorMemory.Supports(buffer.Values))
            {
                foreach (var range in buffer.Ranges)
                {
                    var (rate, decay) = RateAndDecay(range.Group, scheduleFactor);
                    AdamWKernel.Run(buffer.Values, buffer.Gradients, mean, square, range.Start, range.Length, new(
                        (float)(1 - options.Beta1), (float)options.Beta2, (float)(1 - options.Beta2), (float)root, (float)smallest, (float)(1 - rate * decay), (float)(rate / meanCorrection)));
                }
                continue;
            }
            mean.lerp_(buffer.Gradients, rest1);
            square.mul_(beta2).addcmul_(buffer.Gradients, buffer.Gradients, rest2);
            var denominator = square.sqrt().div_(rootCorrection).add_(epsilon, One);
            foreach (var range in buffer.Ranges)
            {
                var (rate, decay) = RateAndDecay(range.Group, scheduleFactor);
                Scalar keep = Constant(1 - rate * decay);
                Scalar step = Constant(-(rate / meanCorrection));
                buffer.Values.narrow(0, range.Start, range.Length)
                    .mul_(keep)
                    .addcdiv_(mean.narrow(0, range.Start, range.Length), denominator.narrow(0, range.Start, range.Length), step);
            }
        }
    }

    /// <summary>Sets a fraction of each tensor's moments to 0, those of smallest magnitude, as ReLoRA does at a restart.</summary>
    internal void Prune(IReadOnlySet<string> names, double fraction)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (buffer, mean, square, _) in moments)
            foreach (var slice in buffer.Slices.Where(slice => names.Contains(slice.Tensor.Name)))
                foreach (var moment in new[] { slice.Of(mean).view(-1), slice.Of(square).view(-1) })
                {
                    var kept = (int)Math.Round((1 - fraction) * slice.Length);
                    var (_, largest) = moment.abs().topk(kept);
                    moment.copy_(zeros_like(moment).scatter(0, largest, moment.index_select(0, largest)));
                }
    }

    private protected override IEnumerable<(string Name, Tensor Live)> LiveState()
    {
        foreach (var (buffer, mean, square, _) in moments)
            foreach (var slice in buffer.Slices)
            {
                yield return (MeanKey(slice), slice.Of(mean));
                yield return (SquareKey(slice), slice.Of(square));
            }
    }

    private protected override void Release()
    {
        foreach (var own in moments) own.Dispose();
        pages?.Dispose();
    }

    private static string MeanKey(FlatSlice slice) => "exp_avg." + slice.Tensor.Name;

    private static string SquareKey(FlatSlice slice) => "exp_avg_sq." + slice.Tensor.Name;

    private sealed class Moments : IDisposable
    {
        // 1 − β₁ as a tensor: TorchSharp's lerp_ does not accept a number.
        private readonly Tensor weight;

        public Moments(FlatBuffer buffer, double rest, PagedMemory? pages)
        {
            Buffer = buffer;
            Mean = Zeros(buffer.Values, pages);
            try
            {
                Square = Zeros(buffer.Values, pages);
            }
            catch
            {
                Mean.Dispose();
                throw;
            }
            weight = tensor(rest, dtype: buffer.Values.dtype, device: buffer.Values.device).DetachFromDisposeScope();
        }

        public FlatBuffer Buffer { get; }

        public Tensor Mean { get; }

        public Tensor Square { get; }

        public void Deconstruct(out FlatBuffer flat, out Tensor mean, out Tensor square, out Tensor rest1)
            => (flat, mean, square, rest1) = (Buffer, Mean, Square, weight);

        public void Dispose()
        {
            Mean.Dispose();
            Square.Dispose();
            weight.Dispose();
        }

        private static Tensor Zeros(Tensor like, PagedMemory? pages) => pages?.Zeros(like.shape, like.dtype) ?? zeros_like(like).DetachFromDisposeScope();
    }
}
