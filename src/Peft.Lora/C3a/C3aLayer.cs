namespace Peft.Lora;

/// <summary>
/// C3A (Chen et al. 2024, arXiv:2407.19342): ΔW[m·b + k, n·b + j] = w[m, n, (j − k) mod b]/in, with kernels w <c>[out/b, in/b, b]</c>.
/// The blocks are circulant, so a product with ΔW is an elementwise product in the Fourier domain.
/// </summary>
internal sealed class C3aLayer : DeltaLayer
{
    private readonly Parameter kernel, indices;
    private readonly long size;
    private readonly bool exact;

    public C3aLayer(Target target, C3aOptions options) : base(target)
    {
        exact = options.ExactGradient;
        size = options.BlockSizePattern.At(target.Path, options.BlockSize);
        if (size < 1 || target.In % size != 0 || target.Out % size != 0)
            throw new AdapterOptionsException($"BlockSize must divide the input and output size of each target, but was {size} for {target}. Set another value for it with BlockSizePattern.");
        long[] shape = [target.Out / size, target.In / size, size];
        kernel = Trainable("c3a_kernel", options.Initialization switch
        {
            C3aInitialization.Zero => Zeros(shape),
            C3aInitialization.Gaussian => Normal(1, shape),
            C3aInitialization.KaimingUniform => Uniform(1 / Math.Sqrt(target.In), shape),
            _ => Uniform(Math.Sqrt(6.0 / (target.In + target.Out)), shape),
        });
        var line = arange(Constant(0), Constant(size), One, dtype: ScalarType.Int64, device: Device);
        indices = Frozen("c3a_indices", line.unsqueeze(0).sub(line.unsqueeze(1)).remainder(Constant(size)).reshape(-1), saved: false);   // [k, j] → (j − k) mod b
    }

    public override Tensor Delta()
        => kernel.index_select(2, indices).view(kernel.size(0), kernel.size(1), size, size).permute(0, 2, 1, 3).reshape(Target.Out, Target.In).div(Constant(Target.In));

    // Folding into the weight would compute the exact gradient.
    protected override double CostPerPosition => !exact && is_grad_enabled() ? 0 : base.CostPerPosition;

    // A complex product takes four real ones, for half of the frequencies. The transforms take about 5·log₂ b operations per element.
    protected override double MultiplyCost => 2.0 * Target.In * Target.Out / size + 5 * Math.Log2(size) * (Target.In + Target.Out);

    protected override Tensor? Multiply(Tensor input)
    {
        var x = input.reshape(-1, Target.In / size, size);
        var w = kernel.div(Constant(Target.In));
        if (exact || !is_grad_enabled() || !input.requires_grad) return Product(fft.rfft(x), fft.rfft(w).conj(), input);
        var output = Product(fft.rfft(x.detach()), fft.rfft(w).conj(), input);
        return output.add(StraightThrough.Of(Product(fft.rfft(x).conj(), fft.rfft(w.detach()), input)), One);
    }

    private Tensor Product(Tensor x, Tensor w, Tensor input)   // [positions, n, b/2 + 1], [m, n, b/2 + 1]
    {
        var y = x.permute(2, 0, 1).matmul(w.permute(2, 1, 0)).permute(1, 2, 0);   // [positions, m, b/2 + 1]
        return fft.irfft(y, size).reshape([.. input.shape[..^1], Target.Out]);
    }
}
