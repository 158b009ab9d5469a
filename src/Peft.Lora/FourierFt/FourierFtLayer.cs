namespace Peft.Lora;

/// <summary>
/// FourierFT (Gao et al. 2024, arXiv:2405.03003): ΔW = s·Re(F⁻¹(S)), where F is the two-dimensional Fourier transform and S is zero except for the trained
/// coefficients.
/// </summary>
internal sealed class FourierFtLayer : DeltaLayer
{
    private readonly Parameter spectrum, indices;
    private readonly double scaling;

    public FourierFtLayer(Target target, FourierFtOptions options) : base(target)
    {
        var (count, size) = (options.FrequenciesPattern.At(target.Path, options.Frequencies), target.In * target.Out);
        if (count > size) throw new AdapterOptionsException($"Frequencies must not exceed the number of elements of each target, but was {count} for {target}, which has {size}. Set another value for it with FrequenciesPattern.");
        scaling = options.Scaling;
        spectrum = Trainable("fourierft_spectrum", options.InitWeights ? Zeros(count) : Normal(1, count));
        using var random = new SeededRandom(options.Seed ?? 777, Device);
        indices = Frozen("fourierft_indices", random.Choose(count, size).to(Device), saved: false);
    }

    public override Tensor Delta()
    {
        var dense = zeros(Target.Out * Target.In, spectrum.dtype, spectrum.device).scatter(0, indices, spectrum).view(Target.Out, Target.In);
        return fft.ifft2(dense).real.mul(Constant(scaling));
    }
}
