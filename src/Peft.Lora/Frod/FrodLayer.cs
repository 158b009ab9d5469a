using System.Runtime.InteropServices;

namespace Peft.Lora;

/// <summary>
/// FRoD (2026, doi:10.1609/aaai.v40i31.39813): W′ = U·(S + diag(l))·Vᵀ with trained l <c>[in]</c> and sparse S <c>[in, in]</c>. W = U·diag(l₀)·Vᵀ, where
/// U <c>[out, in]</c> has columns with norm 1, so that ΔW = U·(S + diag(l − l₀))·Vᵀ.
/// </summary>
internal sealed class FrodLayer : DeltaLayer
{
    private readonly Parameter lengths, values, u, v, indices, startLengths;

    public FrodLayer(Target target, FrodOptions options, FrodProjections shared) : base(target)
    {
        Dropout = options.Dropout;
        (v, indices) = shared.Of(target);
        var (directions, start) = HasValues ? Decompose() : (Zeros(target.Out, target.In), Zeros(target.In));
        startLengths = Frozen("frod_lambda_l0", start.clone(), saved: false);
        u = Frozen("frod_U", directions, saved: false);
        lengths = Trainable("frod_lambda_l", options.InitWeights ? start : start.add(Normal(0.1, start.shape), One));
        values = Trainable("frod_lambda_s_values", options.InitWeights ? Zeros(indices.size(1)) : Normal(0.1, indices.size(1)));
    }

    public override Tensor Delta() => Middle(u).mm(v.t());

    protected override double MultiplyCost => Target.In * (double)(Target.In + Target.Out);

    protected override Tensor? Multiply(Tensor input)
    {
        var z = input.matmul(v);
        var hidden = z.mul(lengths.sub(startLengths)).index_add(-1, indices.select(0, 0), z.index_select(-1, indices.select(0, 1)).mul(values), Constant(1));
        return nn.functional.linear(hidden, u);
    }

    // U·(S + diag(l − l₀))
    private Tensor Middle(Tensor left)
        => left.mul(lengths.sub(startLengths)).index_add(1, indices.select(0, 1), left.index_select(1, indices.select(0, 0)).mul(values), Constant(1));

    // The V in the file may differ from the one computed here.
    protected override void Loaded()
    {
        var (directions, start) = Decompose();
        Replace(u, directions);
        Replace(startLengths, start);
    }

    private (Tensor Directions, Tensor Lengths) Decompose()
    {
        var (weight, basis) = (Target.ReadMatrix(ScalarType.Float64).detach(), v.detach().to_type(ScalarType.Float64));
        Tensor scaled;   // W·V⁻ᵀ
        try { scaled = linalg.solve(basis, weight.t()).t(); }
        catch (ExternalException) { scaled = weight.mm(linalg.pinv(basis).t()); }   // V has no inverse
        var length = scaled.norm(0);
        var unit = where(length.gt(Constant(1e-12)), scaled.div(length.clamp_min(Constant(1e-12))), zeros_like(scaled));
        return (unit.to_type(TensorType), length.to_type(TensorType));
    }
}
