namespace Peft.Lora;

/// <summary>
/// LoKr (Edalati et al. 2022, arXiv:2212.10650): ΔW = s·(w1 ⊗ w2) with w1 <c>[a, c]</c>, w2 <c>[b, d, kernel…]</c>, out = a·b and
/// in = c·d. A factor that is large compared with the rank is itself a low-rank product <c>w_a·w_b</c>.
/// </summary>
internal sealed class LoKrLayer : LycorisLayer
{
    private readonly long a, b, c, d;
    private readonly Parameter? w1, w1a, w1b, w2, w2a, w2b, core;

    public LoKrLayer(Target target, LoKrOptions options) : base(target, options)
    {
        RescalesRows = options.RankDropoutScale;
        (a, b) = Divide(target.Out, options.DecomposeFactor);
        (c, d) = Divide(Channels, options.DecomposeFactor);
        var lycoris = options.Initialization == LoKrInitialization.Lycoris;
        var zeroFirst = options.Initialization == LoKrInitialization.Default;

        if (!(options.DecomposeBoth && Rank < Math.Max(a, c) / 2.0)) w1 = Trainable("lokr_w1", Initial(zeroFirst, a, c));
        else (w1a, w1b) = (Trainable("lokr_w1_a", Initial(zeroFirst, a, Rank)), Trainable("lokr_w1_b", KaimingUniform(Rank, c)));

        if (Rank >= Math.Max(b, d) / 2.0) w2 = Trainable("lokr_w2", Initial(lycoris, [b, d, .. Kernel]));
        else if (CoreShape is not null)
            (core, w2a, w2b) = (Trainable("lokr_t2", KaimingUniform(CoreShape)), Trainable("lokr_w2_a", KaimingUniform(Rank, b)), Trainable("lokr_w2_b", Initial(lycoris, Rank, d)));
        else (w2a, w2b) = (Trainable("lokr_w2_a", KaimingUniform(b, Rank)), Trainable("lokr_w2_b", Initial(lycoris, Rank, d * Target.In / Channels)));
    }

    protected override bool RescalesRows { get; }

    private Tensor First => w1 ?? w1a!.mm(w1b!);

    private Tensor Second => w2 ?? (core is null ? w2a!.mm(w2b!) : Tucker(core, w2a!, w2b!));

    public override Tensor Delta()
    {
        var (first, second) = (First, Second);
        // torch.kron aligns trailing dimensions, so a one-dimensional kernel aligns with the input channels, as in Hugging Face PEFT's files.
        if (second.dim() >= 4) first = first.reshape([a, c, .. Enumerable.Repeat(1L, (int)second.dim() - 2)]);
        return kron(first, second.contiguous()).reshape(Target.Out, Target.In).mul(Constant(Scaling));
    }

    protected override double MultiplyCost => Target.In * (double)b + Target.Out * (double)c;

    // (w1 ⊗ w2)·x with x as a matrix [c, d]: w1·x·w2ᵀ.
    protected override Tensor? Multiply(Tensor input)
    {
        long[] rest = input.shape[..^1];
        var hidden = nn.functional.linear(input.reshape([.. rest, c, d]), Second.mul(Constant(Scaling)));                    // [..., c, b]
        return nn.functional.linear(hidden.transpose(-1, -2), First).transpose(-1, -2).reshape([.. rest, Target.Out]);   // [..., a, b]
    }

    private Tensor Initial(bool zero, params long[] shape) => zero ? Zeros(shape) : KaimingUniform(shape);

    // Splits a size into two factors: the given one if it divides the size, else the largest divisor up to it and up to √size comes first.
    private static (long Small, long Large) Divide(long size, int factor)
    {
        if (factor > 0 && size % factor == 0) return (factor, size / factor);
        var limit = Math.Min(factor == -1 ? size : factor, (long)Math.Sqrt(size));
        var small = limit;
        while (size % small != 0) small--;
        return (small, size / small);
    }
}
