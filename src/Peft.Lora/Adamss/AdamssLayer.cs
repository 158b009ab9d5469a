namespace Peft.Lora;

/// <summary>
/// AdaMSS (Zheng et al. 2025, openreview:8ZdWmpYxT0): the rows of ΔW in group i are Bᵢ·Aᵢ·V, where V <c>[r, in]</c> holds the leading right singular
/// vectors of [W, b]. K-means over the left singular vectors groups the rows. A bias is treated as one more input that is always 1.
/// </summary>
internal sealed class AdamssLayer : DeltaLayer, IUpdatesBias
{
    private readonly Parameter vectors;   // [r, in], or [r, in + 1] with a bias
    private readonly Parameter indices;    // index of each row of the matrix in the concatenated groups
    private readonly Subspace[] subspaces;
    private readonly bool hasBias;

    public AdamssLayer(Target target, AdamssOptions options) : base(target)
    {
        hasBias = target.Bias is not null;
        var (left, right) = Directions(options);
        vectors = Frozen("adamss_newB", right);
        var groups = Groups(left, options.SubspaceCount);
        indices = Frozen("adamss_indices", tensor(groups.SelectMany(rows => rows).ToArray()).argsort().to(Device), saved: false);
        subspaces = [.. groups.Select((rows, i) =>
        {
            var initial = InitialFactor(HasValues ? left.index_select(0, tensor(rows, device: left.device)) : left.narrow(0, 0, rows.Length), options);
            var up = options.Initialization == "orthogonal" ? Zeros(rows.Length, initial.size(0)) : Normal(0.01, rows.Length, initial.size(0));
            return new Subspace(Make($"adamss_A.{i}", initial, options), Make($"adamss_B.{i}", up, options));
        })];
    }

    /// <summary>The groups of rows with their trainable factors.</summary>
    public IReadOnlyList<Subspace> Subspaces => subspaces;

    public override Tensor Delta() => Change(vectors.narrow(1, 0, Target.In));

    public Tensor? DeltaBias() => hasBias ? Change(vectors.narrow(1, Target.In, 1)).squeeze(1) : null;

    private Tensor Change(Tensor right) => cat([.. subspaces.Select(each => each.B.Used.mm(each.A.Used.mm(right)))]).index_select(0, indices);

    // Leading singular vectors by a seeded random projection. A wide matrix is transposed first.
    private (Tensor Left, Tensor Right) Directions(AdamssOptions options)
    {
        var weight = Target.ReadMatrix(ScalarType.Float32);
        if (hasBias) weight = cat([weight, Target.Bias!.to_type(ScalarType.Float32).unsqueeze(1)], 1);
        var (rows, columns) = (weight.size(0), weight.size(1));
        var rank = (int)Math.Min(options.Rank, Math.Min(rows, columns));
        if (!HasValues) return (Zeros(rows, rank), Zeros(rank, columns));
        using var random = new SeededRandom(options.RandomSeed, Device);
        var initial = random.Normal(Math.Min(rows, columns), rank).to(weight.device);
        var (u, _, vt) = LowRank.Svd(rows < columns ? weight.t() : weight, initial, iterations: 2);
        return rows < columns ? (vt.t(), u.t()) : (u, vt);
    }

    // Tensors on the meta device have no values to cluster: groups of equal size take as much memory.
    private long[][] Groups(Tensor left, int count)
        => !HasValues ? [.. Enumerable.Range(0, (int)left.size(0)).GroupBy(row => row % count).Select(group => group.Select(row => (long)row).ToArray())] : Clusters.Of(left, count);

    // Leading right singular vectors of the group's rows.
    private Tensor InitialFactor(Tensor rows, AdamssOptions options)
    {
        if (!HasValues) return Zeros(Math.Min(options.SubspaceRank, Math.Min(rows.size(0), rows.size(1))), rows.size(1));
        var (_, s, vt) = linalg.svd(rows, fullMatrices: false);
        var rank = Math.Min(options.SubspaceRank, s.size(0));
        // The threshold applies to the eigenvalues of the Gram matrix, which are squared singular values.
        if (options.UseDynamicRank) rank = Math.Clamp(s.square().gt(s[0].square().mul(Constant(options.SvdThreshold))).sum().item<long>(), 1, rank);
        return vt.narrow(0, 0, rank).contiguous();
    }

    private Factor Make(string name, Tensor initial, AdamssOptions options)
    {
        var value = Trainable(name, initial);
        return options.UseAsa ? new Factor(value, State(name + "_importance", zeros_like(value)), State(name + "_uncertainty", zeros_like(value)), State(name + "_held", value.detach().clone()), State(name + "_active", Ones(1)))
            : new Factor(value, null, null, null, null);
    }

    /// <summary>Trainable factors of a group of rows: A <c>[rank, r]</c> and B <c>[rows, rank]</c>.</summary>
    public sealed record Subspace(Factor A, Factor B);

    /// <summary>A factor with its statistics, which are null without adaptive subspace allocation.</summary>
    /// <param name="Value">The factor.</param>
    /// <param name="Importance">Moving average of the sensitivity |w·∂w|.</param>
    /// <param name="Uncertainty">Moving average of the absolute deviation from <paramref name="Importance"/>.</param>
    /// <param name="Held">The value after the last training step.</param>
    /// <param name="Active">1 while the factor is trainable, 0 once it is frozen.</param>
    public sealed record Factor(Parameter Value, Parameter? Importance, Parameter? Uncertainty, Parameter? Held, Parameter? Active)
    {
        /// <summary>The value for a forward pass, detached once the factor is frozen.</summary>
        public Tensor Used => Active is null ? Value : where(Active.gt(Constant(0)), Value, Value.detach());
    }
}
