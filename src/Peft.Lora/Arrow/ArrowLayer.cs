namespace Peft.Lora;

/// <summary>
/// Arrow (Ostapenko et al. 2024, arXiv:2405.11157): y = W·x + Σₑ cₑ·sₑ·Bₑ·Aₑ·x with the factors of E experts, Aₑ <c>[rank, in]</c> and Bₑ <c>[out, rank]</c>. c is the softmax of |x·vₑ|/τ over the experts
/// for which it is largest, where vₑ is the first right singular vector of Bₑ·Aₑ.
/// </summary>
/// <remarks>The layer copies the experts' factors when it is created.</remarks>
internal sealed class ArrowLayer : TransformLayer
{
    private const int Iterations = 15;     // of Hugging Face PEFT's power iteration
    private const double Epsilon = 1e-8;   // that it adds to norms

    private readonly Parameter a, b, prototypes, scalings;   // [E·rank, in], [out, E·rank], [E, in], [E]
    private readonly ArrowOptions options;
    private readonly double dropout;

    public ArrowLayer(Target target, LoraOptions router, IReadOnlyList<LoraLayer> experts, IReadOnlyList<LoraLayer> general) : base(target)
    {
        (options, dropout) = (router.Arrow!, router.Dropout);
        // Hugging Face PEFT saves factors of the router itself, which it does not use.
        Frozen(target.FactorName("lora", "A", ".weight"), KaimingUniform(router.Rank, target.In));
        Frozen(target.FactorName("lora", "B", ".weight"), Zeros(target.Out, router.Rank));
        var factors = experts.Select(expert => (A: Without(expert.MatrixA, general.Select(each => each.MatrixA)), B: Without(expert.MatrixB, general.Select(each => each.MatrixB)))).ToList();
        a = Frozen("experts.A", cat([.. factors.Select(each => each.A)]), saved: false);
        b = Frozen("experts.B", cat([.. factors.Select(each => each.B)], 1), saved: false);
        prototypes = Frozen("experts.prototypes", HasValues ? stack(factors.Select(each => Prototype(each.A, each.B))) : Zeros(experts.Count, target.In), saved: false);
        scalings = Frozen("experts.scalings", tensor(experts.Select(expert => expert.Scaling).ToArray(), device: Device), saved: false);
    }

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        var similarity = nn.functional.linear(input, prototypes).abs();
        var (best, index) = similarity.topk(options.TopExperts, -1);
        var weights = zeros_like(similarity).scatter(-1, index, best.div(Constant(options.Temperature)).softmax(-1)).mul(scalings);
        var hidden = nn.functional.linear(input, a).mul(weights.repeat_interleave(a.size(0) / scalings.size(0), -1));
        return output.add(nn.functional.dropout(nn.functional.linear(hidden, b), dropout, Training), One);
    }

    private static Tensor Without(Tensor factor, IEnumerable<Tensor> general)
    {
        Tensor[] all = [.. general];
        return all.Length == 0 ? factor.detach() : factor.detach().sub(stack(all).mean([0]));
    }

    private Tensor Prototype(Tensor a, Tensor b)
    {
        var (wideA, wideB) = (a.to_type(ScalarType.Float32), b.to_type(ScalarType.Float32));
        if (options.Seed is not { } seed)
        {
            // Aᵀ = Q·R, so B·A = (B·Rᵀ)·Qᵀ, whose factor B·Rᵀ is small.
            var (q, r) = linalg.qr(wideA.t());
            var (_, _, vt) = linalg.svd(wideB.mm(r.t()), fullMatrices: false);
            return q.mv(vt[0]).to_type(a.dtype);
        }
        using var random = new SeededRandom(seed, CPU);
        var gram = wideB.t().mm(wideB);
        var v = Unit(random.Normal(Target.In).to(a.device));
        for (var i = 0; i < Iterations; i++) v = Unit(wideA.t().mv(gram.mv(wideA.mv(v))));
        return v.to_type(a.dtype);
    }

    private static Tensor Unit(Tensor v) => v.div(v.norm().add(Constant(Epsilon), One));
}
