namespace Peft.Lora;

/// <summary>
/// AdaLoRA (Zhang et al. 2023, arXiv:2303.10512): ΔW = s·B·diag(E)·A with A <c>[rank, in]</c>, E <c>[rank, 1]</c> and B <c>[out, rank]</c>,
/// s = alpha/(initial rank). A pruned singular value is zero. It is not saved, and neither are its row of A and its column of B.
/// </summary>
internal sealed class AdaLoraLayer : FactoredLayer
{
    private readonly Factor[] factors;   // A, E, B
    private readonly Parameter kept;     // [rank], 1 or 0
    private readonly double scaling;

    public AdaLoraLayer(Target target, AdaLoraOptions options) : base(target, options.RankAt(target))
    {
        var rank = Rank;
        Dropout = options.Dropout;
        scaling = (options.Alpha > 0 ? options.Alpha : rank) / (options.InitialRank + 1e-5);
        var deviation = options.InitWeights ? 0.02 : 1;
        factors =
        [
            Make("lora_A", Normal(deviation, rank, target.In)),
            Make("lora_E", options.InitWeights ? Zeros(rank, 1) : Normal(1, rank, 1)),
            Make("lora_B", Normal(deviation, target.Out, rank)),
        ];
        kept = State("lora_kept", Ones(rank));
    }

    private Parameter A => factors[0].Value;

    private Parameter E => factors[1].Value;

    private Parameter B => factors[2].Value;

    public override LowRankUpdate Factors() => new(A.mul(E), B, scaling);

    /// <summary>Number of steps of the training; null before it.</summary>
    public int? TotalSteps { get; set; }

    /// <summary>Number of singular values before pruning.</summary>
    public long InitialRank => Rank;

    /// <summary>True if singular values have been pruned.</summary>
    public bool IsPruned => KeptRanks().Contains(false);

    /// <summary>For each initial singular value, true if it has not been pruned.</summary>
    public IReadOnlyList<bool> KeptRanks()
    {
        using var flags = kept.gt(Scalars.Constant(0)).cpu();
        return [.. flags.data<bool>()];
    }

    /// <summary>Orthogonality penalties ‖A·Aᵀ − I‖ and ‖Bᵀ·B − I‖.</summary>
    public IEnumerable<Tensor> Distances()
    {
        var unit = eye(Rank, dtype: A.dtype, device: A.device);
        yield return A.mm(A.t()).sub(unit).norm();
        yield return B.t().mm(B).sub(unit).norm();
    }

    /// <summary>Updates the moving averages of each element's sensitivity |w·∂w| and its uncertainty. Called after an optimizer step.</summary>
    public void Observe(double sensitivitySmoothing, double uncertaintySmoothing)
    {
        foreach (var factor in factors)
        {
            if (factor.Value.grad is not { } gradient) continue;
            var now = factor.Value.mul(gradient).abs();
            factor.Sensitivity.mul_(Scalars.Constant(sensitivitySmoothing)).add_(now, alpha: Scalars.Constant(1 - sensitivitySmoothing));
            factor.Uncertainty.mul_(Scalars.Constant(uncertaintySmoothing)).add_(now.sub(factor.Sensitivity).abs(), alpha: Scalars.Constant(1 - uncertaintySmoothing));
        }
    }

    /// <summary>Importance of each singular value together with its singular vectors, <c>[rank]</c>.</summary>
    public Tensor Importance()
        => factors[1].Score.view(-1).add(factors[0].Score.mean([1]), One).add(factors[2].Score.mean([0]), One);

    /// <summary>Prunes the singular values whose importance is not above a threshold.</summary>
    public void Prune(Tensor limit)
    {
        kept.copy_(Importance().gt(limit).to_type(kept.dtype));
        Mask();
    }

    /// <summary>Sets the pruned singular values to zero again.</summary>
    public void Mask() => E.mul_(kept.unsqueeze(1));

    /// <summary>Resets the importance statistics.</summary>
    public void Forget()
    {
        foreach (var factor in factors)
        {
            factor.Sensitivity.zero_();
            factor.Uncertainty.zero_();
        }
    }

    protected override Tensor ToSaved(AdapterTensor tensor)
    {
        if (!IsPruned) return base.ToSaved(tensor);
        var left = kept.nonzero().view(-1);
        return tensor.Value.detach().index_select(ReferenceEquals(tensor.Value, B) ? 1 : 0, left);
    }

    private Factor Make(string name, Tensor initial)
    {
        var value = Trainable(name, initial);
        return new Factor(value, State(name + "_sensitivity", zeros_like(value)), State(name + "_uncertainty", zeros_like(value)));
    }

    private sealed record Factor(Parameter Value, Parameter Sensitivity, Parameter Uncertainty)
    {
        public Tensor Score => Sensitivity.mul(Uncertainty);
    }
}
