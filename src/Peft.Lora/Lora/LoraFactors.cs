namespace Peft.Lora;

/// <summary>Initial values of LoRA's factors A <c>[rank, in]</c> and B <c>[out, rank]</c>.</summary>
internal static class LoraFactors
{
    /// <summary>The initial factors for an initialization; null for a factor to be initialized Kaiming-uniform.</summary>
    public static (Tensor? A, Tensor? B) Initial(LoraInitialization kind, Target target, int rank, double scaling)
    {
        if (kind == LoraInitialization.Mica) return Minor(target, rank);
        if (kind == LoraInitialization.Orthogonal && !target.IsLookup) return Orthogonal(target, rank);
        // Hugging Face PEFT starts an embedding's factors as usual.
        if (!target.IsLookup && (kind == LoraInitialization.Pissa || kind == LoraInitialization.Olora || kind.Iterations is not null)) return FromWeight(kind, target, rank, scaling);
        // For an embedding, A is the zero factor: looking up rows of zeros makes the adapter a no-op.
        if (target.IsLookup) return (kind == LoraInitialization.Random ? randn(rank, target.In, device: target.Device) : zeros(rank, target.In, device: target.Device),
                                     randn(target.Out, rank, device: target.Device));
        if (kind == LoraInitialization.Random) return (null, null);
        if (kind == LoraInitialization.Gaussian) return (randn(rank, target.In, device: target.Device).div(Constant(rank)), zeros(target.Out, rank, device: target.Device));
        return (null, zeros(target.Out, rank, device: target.Device));
    }

    private static (Tensor A, Tensor B) Minor(Target target, int rank)
    {
        RequireRank(LoraInitialization.Mica, target, rank);
        var (u, _, _) = linalg.svd(target.ReadMatrix(ScalarType.Float32), fullMatrices: false);
        return (zeros(rank, target.In, device: target.Device), u.narrow(1, u.size(1) - rank, rank));
    }

    private static void RequireRank(LoraInitialization kind, Target target, int rank)
    {
        if (rank > Math.Min(target.In, target.Out))
            throw new AdapterOptionsException($"Initialization '{kind}' needs rank {rank} of {target}, whose rank is at most {Math.Min(target.In, target.Out)}. Lower its rank with RankPattern.");
    }

    // Factors whose product times the scaling is the trained component of the weight.
    private static (Tensor A, Tensor B) FromWeight(LoraInitialization kind, Target target, int rank, double scaling)
    {
        RequireRank(kind, target, rank);
        var weight = target.ReadMatrix(ScalarType.Float32);
        if (kind == LoraInitialization.Olora)
        {
            var (q, r) = linalg.qr(weight);
            return (r.narrow(0, 0, rank), q.narrow(1, 0, rank));
        }
        var (u, s, vt) = kind.Iterations is { } count ? LowRank.Svd(weight, rank, count) : linalg.svd(weight, fullMatrices: false);
        var root = s.narrow(0, 0, rank).div(Constant(scaling)).sqrt();
        return (root.unsqueeze(1).mul(vt.narrow(0, 0, rank)), u.narrow(1, 0, rank).mul(root));
    }

    // Alternate rows of one orthogonal matrix: B·A is zero, A and B are not.
    private static (Tensor A, Tensor B) Orthogonal(Target target, int rank)
    {
        if (rank % 2 != 0) throw new AdapterOptionsException($"Initialization 'orthogonal' needs an even rank, but {target.Path} has rank {rank}.");
        var device = target.Device;
        var (q, _) = linalg.qr(randn(AdapterPlan.Allow(device, rank, rank), device: device));
        var pairs = q.view(rank / 2, 2, rank);
        return (randn(target.In, rank / 2, device: device).mm(pairs.select(1, 0)).t().div(Constant(10)), randn(target.Out, rank / 2, device: device).mm(pairs.select(1, 1)).div(Constant(10)));
    }
}
