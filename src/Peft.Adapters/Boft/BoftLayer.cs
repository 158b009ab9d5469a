namespace Peft.Adapters;

/// <summary>
/// BOFT (Liu et al. 2023, arXiv:2311.06243): W′ = s ∘ (W·M₁ᵀ·…·Mₖᵀ), with a scale s per output. Each Mᵢ = Pᵢ·B·Pᵢᵀ has orthogonal blocks B,
/// the Cayley transform of the skew-symmetric parts of <c>boft_R</c> <c>[factors, blocks, size, size]</c>, between permutations Pᵢ that pair
/// halves of blocks at increasing distances.
/// </summary>
internal sealed class BoftLayer : ReweightLayer, IAcceptsOtherShapes
{
    private readonly double dropout;
    private readonly Parameter blocks, scale;

    public BoftLayer(Target target, BoftOptions options) : base(target)
    {
        dropout = options.Dropout;
        var asked = options.BlockSize > 0 ? options.BlockSize : options.BlockCount;
        if (target.In % asked != 0)
            throw new AdapterOptionsException($"{target.Path} has {target.In} inputs, which {(options.BlockSize > 0 ? $"blocks of {asked} do" : $"{asked} blocks do")} not divide. Choose a BlockSize or BlockCount that divides them, or exclude the module.");
        var (size, count) = options.BlockSize > 0 ? ((long)asked, target.In / asked) : (target.In / asked, asked);
        if (options.ButterflyFactors > 1 && (size % 2 != 0 || count % (1L << (options.ButterflyFactors - 1)) != 0))
            throw new AdapterOptionsException($"{options.ButterflyFactors} butterfly factors need blocks of even size in a number that 2^{options.ButterflyFactors - 1} divides, but {target.Path} has {count} of size {size}. Lower ButterflyFactors or change BlockSize.");
        long[] shape = [options.ButterflyFactors, count, size, size];
        long[] outputs = target.IsProduct ? [target.Out, 1] : [1, target.Out];
        blocks = Trainable("boft_R", options.InitWeights ? Zeros(shape) : Normal(0.1, shape));
        scale = Trainable("boft_s", options.InitWeights ? Ones(outputs) : Normal(0.1, outputs).add(Constant(1), One));
    }

    private bool Drops => dropout > 0 && Training;

    protected override double CostPerPosition => Drops ? 0 : double.PositiveInfinity;

    // The number of factors in the file takes precedence: see BoftOptions.ButterflyFactors.
    public bool Accepts(AdapterTensor tensor, ReadOnlySpan<long> shape)
        => ReferenceEquals(tensor.Value, blocks) && shape.Length == 4 && shape[0] == 1 && shape[1..].SequenceEqual(blocks.shape.AsSpan(1));

    protected override Weights Reweight(Weights inner)
    {
        var weight = inner.Weight;
        var factors = blocks.size(0);
        var dropping = Drops ? (int)randint(factors, [1]).item<long>() : -1;
        for (var factor = 0; factor < factors; factor++)
        {
            var free = blocks.select(0, factor);
            var rotation = Blocks.Cayley(free.sub(free.transpose(1, 2)).div(Constant(2)));
            if (factor == dropping) rotation = Blocks.Drop(rotation, dropout);
            if (factor == 0)
            {
                weight = Blocks.Apply(weight, rotation, transposed: true);
                continue;
            }
            var order = Butterfly(factor);
            var turned = Blocks.Apply(weight.index_select(1, order.argsort()), rotation, transposed: true);
            weight = turned.index_select(1, order);
        }
        return inner with { Weight = weight.mul(scale.reshape(-1, 1)) };
    }

    // In each group of 2^factor blocks, the even half-blocks come first, then the odd ones.
    private Tensor Butterfly(int factor)
        => arange(Constant(0), Constant(Target.In), One, device: blocks.device).view(-1, 1L << factor, 2, blocks.size(-1) / 2).transpose(1, 2).reshape(-1);
}
