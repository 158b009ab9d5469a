namespace Peft.Lora;

/// <summary>
/// PSOFT (Wu et al. 2025, arXiv:2505.11235): ΔW = s·B·(R − I)·A with A <c>[rank, in]</c> and B <c>[out, rank]</c> from W ≈ s·B·A.
/// R = diag(b)·Q·diag(a), where Q = (I + S)·(I − S)⁻¹ is the Cayley transform of a skew-symmetric S.
/// </summary>
/// <remarks>A and B are not saved but recomputed on load. The signs of singular vectors are arbitrary; LAPACK's are the convention.</remarks>
internal sealed class PsoftLayer : FactoredLayer
{
    private readonly PsoftOptions options;
    private readonly Parameter a, b, weight;
    private readonly double scaling;
    private readonly Parameter? indices, outputMagnitude, inputMagnitude;

    public PsoftLayer(Target target, PsoftOptions options) : base(target, options.Rank)
    {
        this.options = options;
        Dropout = options.Dropout;
        if (Rank > Math.Min(target.In, target.Out)) throw new AdapterOptionsException($"Rank {Rank} is more than {target}'s number of singular vectors, {Math.Min(target.In, target.Out)}.");
        long[] shape = options.IsOrthogonal ? [Rank * (Rank - 1) / 2] : [Rank, Rank];
        var start = options.InitWeights ? Zeros(shape) : Normal(0.1, shape);
        weight = Trainable("psoft_R.weight", options.IsOrthogonal ? start : start.add(eye(Rank, dtype: TensorType, device: Device), One));
        if (options.HasInputMagnitude) inputMagnitude = Trainable("psoft_R.vector_a", Ones(Rank));
        if (options.HasOutputMagnitude) outputMagnitude = Trainable("psoft_R.vector_b", Ones(Rank));
        if (options.IsOrthogonal)
        {
            var upper = triu_indices(Rank, Rank, 1).to(Device);
            indices = Frozen("psoft_indices", upper.select(0, 0).mul(Constant(Rank)).add(upper.select(0, 1), One), saved: false);
        }
        var (u, s, vt) = Svd(target.ReadMatrix(ScalarType.Float32));
        s = s.div(Constant(scaling = options.Alpha / Rank));
        var (left, right) = options.SingularValueSplit == "psoft_init" ? (s, ones_like(s)) : (s.sqrt(), s.sqrt());
        a = Frozen("_psoft_A_cache", right.unsqueeze(1).mul(vt), saved: false);
        b = Frozen("_psoft_B_cache", u.mul(left), saved: false);
    }

    public override LowRankUpdate Factors() => new(a, b.mm(Rotation().sub(eye(Rank, dtype: a.dtype, device: a.device))), scaling);

    private Tensor Rotation()
    {
        var r = indices is null ? weight : options.UseNeumannSeries ? Series(Skew()) : Cayley(Skew());
        if (outputMagnitude is not null) r = outputMagnitude.unsqueeze(1).mul(r);
        return inputMagnitude is null ? r : r.mul(inputMagnitude);
    }

    private Tensor Skew()
    {
        var upper = zeros(Rank * Rank, weight.dtype, weight.device).scatter(0, indices!, weight).view(Rank, Rank);
        return upper.sub(upper.t());
    }

    private Tensor Cayley(Tensor skew)
    {
        var unit = eye(Rank, dtype: skew.dtype, device: skew.device);
        return linalg.solve(unit.sub(skew).t(), unit.add(skew, One).t()).t();   // X·(I − S) = I + S
    }

    // (I + S)·(I + S + S² + …), with the last term once: Hugging Face PEFT's series.
    private Tensor Series(Tensor skew)
    {
        if (options.NeumannBound is { } bound)
        {
            using var none = no_grad();
            var norm = skew.norm().item<float>();
            using var again = enable_grad();
            if (float.IsFinite(norm) && norm > bound) skew = skew.mul(Constant(bound)).div(skew.norm().add(Constant(1e-12), One));
        }
        var terms = options.NeumannTerms == 3 ? 4 : options.NeumannTerms;   // Hugging Face PEFT adds the last power of 4 terms also to 3
        var sum = eye(Rank, dtype: skew.dtype, device: skew.device);
        var power = sum;
        for (var i = 1; i < terms; i++)
        {
            power = power.mm(skew);
            sum = sum.add(power, alpha: Constant(i == terms - 1 && i > 2 ? 1 : 2));
        }
        return sum;
    }

    private (Tensor U, Tensor S, Tensor Vt) Svd(Tensor matrix)
    {
        if (options.Svd == "full")
        {
            var (u, s, vt) = linalg.svd(matrix, fullMatrices: false);
            return (u.narrow(1, 0, Rank), s.narrow(0, 0, Rank), vt.narrow(0, 0, Rank));
        }
        using var random = new SeededRandom(options.Seed, Device);
        // torch transposes a wide matrix first.
        var isWide = matrix.size(0) < matrix.size(1);
        var (left, values, right) = LowRank.Svd(isWide ? matrix.t() : matrix, random.Normal(Math.Min(matrix.size(0), matrix.size(1)), Rank).to(matrix.device), options.SvdIterations);
        return isWide ? (right.t(), values, left.t()) : (left, values, right);
    }
}
