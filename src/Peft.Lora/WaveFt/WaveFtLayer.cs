namespace Peft.Lora;

/// <summary>
/// WaveFT (Bilican et al. 2025, arXiv:2505.12532): ΔW = s·D⁻¹(S), where D is a one-level two-dimensional discrete wavelet transform and S
/// is zero except for the trained coefficients. S is padded beyond the weight's size by the length of the filter.
/// </summary>
internal sealed class WaveFtLayer : DeltaLayer
{
    private readonly Parameter spectrum, indices;
    private readonly Parameter? filters;
    private readonly double scaling;
    private readonly long rows, columns;

    public WaveFtLayer(Target target, WaveFtOptions options, int count) : base(target)
    {
        var size = target.In * target.Out;
        if (count > size) throw new AdapterOptionsException($"Coefficients must not exceed the number of elements of each target, but was {count} for {target}, which has {size}. Set another value for it with CoefficientsPattern.");
        scaling = options.Scaling;
        spectrum = Trainable("waveft_spectrum", options.InitWeights ? Zeros(count) : Normal(0.01, count));
        using var random = new SeededRandom(options.Seed, Device);
        var chosen = random.Choose(count, size);
        (rows, columns) = (target.Out, target.In);
        if (options.Transforms)
        {
            var order = Wavelet.Order(options.Wavelet)!.Value;
            var low = Wavelet.LowPass(order);
            var high = Wavelet.HighPass(low);
            filters = Frozen("waveft_filters", stack([Outer(low, low), Outer(high, low), Outer(low, high), Outer(high, high)]).unsqueeze(1).to(Device), saved: false);
            (rows, columns) = (Padded(target.Out, order), Padded(target.In, order));
            var (row, column) = (chosen.div(Constant(target.In), RoundingMode.floor), chosen.remainder(Constant(target.In)));
            chosen = row.add(Constant((rows - target.Out) / 2), One).mul(Constant(columns)).add(column, One).add(Constant((columns - target.In) / 2), One);
        }
        indices = Frozen("waveft_indices", chosen.to(Device), saved: false);
    }

    public override Tensor Delta()
    {
        var dense = zeros(rows * columns, spectrum.dtype, spectrum.device).scatter(0, indices, spectrum.mul(Constant(scaling))).view(rows, columns);
        if (filters is null) return dense;
        // The four quarters are the subbands [low low, high low; low high, high high] of the rows and columns.
        var bands = dense.view(2, rows / 2, 2, columns / 2).transpose(1, 2).reshape(1, 4, rows / 2, columns / 2);
        var cut = filters.size(2) - 2;
        var whole = nn.functional.conv_transpose2d(bands, filters, strides: [2, 2]).reshape(rows + cut, columns + cut);
        return whole.narrow(0, cut, rows - cut).narrow(1, cut, columns - cut) is var inner && inner.size(0) == Target.Out && inner.size(1) == Target.In ? inner
            : inner.narrow(0, (inner.size(0) - Target.Out) / 2, Target.Out).narrow(1, (inner.size(1) - Target.In) / 2, Target.In);
    }

    // Padded by the filter length and rounded up to an even size.
    private static long Padded(long size, int order) => (size + 2 * (order - 1) + 1) / 2 * 2;

    private static Tensor Outer(double[] down, double[] along) => tensor(down).unsqueeze(1).mul(tensor(along).unsqueeze(0));
}
