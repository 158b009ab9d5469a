namespace Peft.Lora;

/// <summary>
/// OSF (Nayak et al. 2025, arXiv:2504.07097): W′ = U·diag(S)·V. The leading part is frozen. The rest, U_low <c>[out, k]</c>, S_low <c>[k]</c>
/// and V_low <c>[k, in]</c>, is trained, with gradients of U_low and V_low projected onto the orthogonal complement of the frozen vectors. As an
/// update, ΔW = U_low·S_low·V_low + U_high·S_high·V_high − W.
/// </summary>
internal sealed class OsfLayer : DeltaLayer
{
    private readonly Parameter uLow, sLow, vLow, uHigh, sHigh, vHigh;

    public OsfLayer(Target target, OsfOptions options) : base(target)
    {
        var kept = options.KeptAt(target);
        var (u, s, v) = linalg.svd(target.ReadMatrix(ScalarType.Float32), fullMatrices: false);
        var rest = s.size(0) - kept;
        sLow = Trainable("osf_svd_params.S_low", s.narrow(0, kept, rest).contiguous());
        uLow = Trainable("osf_svd_params.U_low", u.narrow(1, kept, rest).contiguous());
        vLow = Trainable("osf_svd_params.V_low", v.narrow(0, kept, rest).contiguous());
        sHigh = Frozen("osf_S_high", s.narrow(0, 0, kept).contiguous(), saved: false);
        uHigh = Frozen("osf_U_high", u.narrow(1, 0, kept).contiguous(), saved: false);
        vHigh = Frozen("osf_V_high", v.narrow(0, 0, kept).contiguous(), saved: false);
    }

    public override Tensor Delta()
    {
        var u = uLow.sub(uHigh.mm(uHigh.t().mm(StraightThrough.Of(uLow))));
        var v = vLow.sub(StraightThrough.Of(vLow).mm(vHigh.t()).mm(vHigh));
        return u.mul(sLow).mm(v).add(uHigh.mul(sHigh).mm(vHigh), One).sub(Target.ReadMatrix(TensorType));
    }
}
