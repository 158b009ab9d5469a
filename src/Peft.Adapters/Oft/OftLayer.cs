namespace Peft.Adapters;

/// <summary>
/// OFT (Qiu et al. 2023, arXiv:2306.07280): y = f(x·R), where R is block-diagonal with blocks (I + Q)⁻¹(I − Q). Each Q is skew-symmetric, and its
/// upper triangle is a row of <c>oft_R</c> <c>[blocks, size·(size − 1)/2]</c>.
/// </summary>
internal sealed class OftLayer : RotationLayer
{
    private readonly OftOptions options;
    private readonly long size;
    private readonly Parameter upper;
    private readonly Parameter places;   // flat indices of the upper triangle of a block, in row-major order

    public OftLayer(Target target, OftOptions options) : base(target)
    {
        this.options = options;
        var inputs = SizeFor(target);
        size = options.BlockSizeFor(inputs);
        if (size < 2) throw new AdapterOptionsException($"Blocks of size {size} at {target} have nothing to rotate. Choose another BlockSize or BlockCount, or exclude the module.");
        long[] shape = [options.ShareBlocks ? 1 : inputs / size, size * (size - 1) / 2];
        upper = Trainable(target.IsLookup ? "oft_embedding_R.weight" : "oft_R.weight", options.InitWeights ? Zeros(shape) : Normal(0.1, shape));
        long[] above = [.. from row in Enumerable.Range(0, (int)size) from column in Enumerable.Range(row + 1, (int)size - row - 1) select row * size + column];
        places = Frozen("oft_places", tensor(above, device: Device), saved: false);
    }

    private bool Drops => options.Dropout > 0 && Training;

    protected override double CostPerPosition => Drops ? 0 : Size * (double)size;

    protected override Tensor Rotate(Tensor rows, bool transposed)
    {
        if (options.Constrained) Constrain();
        var blocks = options.UseCayleyNeumann ? Neumann(Skew()) : Blocks.Cayley(Skew());
        return Blocks.Apply(rows, Drops ? Blocks.Drop(blocks, options.Dropout) : blocks, transposed);
    }

    private Tensor Skew()
    {
        var count = upper.size(0);
        var half = zeros([count, size * size], upper.dtype, upper.device).scatter(1, places.expand(count, -1), upper).view(count, size, size);
        return half.sub(half.transpose(1, 2));
    }

    // (I + Q)⁻¹(I − Q) up to the sign of Q: I + 2Q + 2Q² + …, with the last power once.
    private Tensor Neumann(Tensor q)
    {
        var sum = eye(size, dtype: q.dtype, device: q.device).expand_as(q);
        if (options.NeumannTerms == 1) return sum;
        sum = sum.add(q, alpha: Constant(2));
        if (options.NeumannTerms == 2) return sum;
        var power = q;
        for (var exponent = 2; exponent < Math.Max(options.NeumannTerms - 1, 3); exponent++)
        {
            power = power.bmm(q);
            sum = sum.add(power, alpha: Constant(2));
        }
        return sum.add(power.bmm(q), One);
    }

    // Projects blocks outside the ball onto it. Only if there are any: an in-place change would corrupt a pending backward pass.
    private void Constrain()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var radius = options.Epsilon / Math.Sqrt(upper.size(0));
        var norms = upper.square().sum(dim: 1, keepdim: true).mul(Constant(2)).sqrt();   // of the skew-symmetric matrix, which has each value twice
        if (norms.max().to_type(ScalarType.Float64).item<double>() > radius * (1 + 1e-5)) upper.mul_(norms.reciprocal().mul(Constant(radius)).clamp_max(Constant(1)));
    }
}
