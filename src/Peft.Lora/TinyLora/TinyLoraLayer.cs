namespace Peft.Lora;

/// <summary>
/// TinyLoRA (arXiv:2602.04118): ΔW = B·(Σ vᵢ·Pᵢ)·A, with A = √Σ·Vᵀ <c>[rank, in]</c> and B = U·√Σ <c>[out, rank]</c> from the weight's
/// leading singular values, and random P <c>[u, rank, rank]</c>.
/// </summary>
internal sealed class TinyLoraLayer : FactoredLayer
{
    private readonly Parameter v, a, b, projection;

    public TinyLoraLayer(Target target, TinyLoraOptions options, Parameter v, long seed) : base(target, Math.Min(options.Rank, Math.Min(target.In, target.Out)))
    {
        this.v = v;
        Dropout = options.Dropout;
        var (u, s, vt) = linalg.svd(target.ReadMatrix(ScalarType.Float32), fullMatrices: false);
        var root = s.narrow(0, 0, Rank).sqrt();
        a = Frozen("tinylora_A", root.unsqueeze(1).mul(vt.narrow(0, 0, Rank)).contiguous());
        b = Frozen("tinylora_B", u.narrow(1, 0, Rank).mul(root).contiguous());
        using var random = new SeededRandom(seed, Device);
        projection = Frozen("tinylora_P", random.Normal(options.Size, Rank, Rank).div(Constant(Math.Sqrt(Rank))).to(Device), options.SaveProjection);
    }

    public override LowRankUpdate Factors() => new(a, b.mm(v.unsqueeze(0).mm(projection.view(v.size(0), -1)).view(Rank, Rank)));
}
