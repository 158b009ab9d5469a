namespace Peft.Lora;

/// <summary>
/// Uni-LoRA (Li et al. 2025, arXiv:2506.00799): ΔW = B·A with A <c>[rank, in]</c>, B <c>[out, rank]</c>, where each element is an element of the shared vector
/// θ times a scale.
/// </summary>
internal sealed class UniLoraLayer : FactoredLayer
{
    private readonly Parameter theta, indicesA, indicesB, scalesA, scalesB;

    public UniLoraLayer(Target target, UniLoraOptions options, UniLoraVector shared) : base(target, options.Rank)
    {
        theta = shared.Theta;
        Dropout = options.Dropout;
        var a = shared.Take(Rank, target.In);
        var b = shared.Take(target.Out, Rank);
        indicesA = Frozen("unilora_indices_A", a.Indices, options.SaveIndices);
        indicesB = Frozen("unilora_indices_B", b.Indices, options.SaveIndices);
        scalesA = Frozen("unilora_scales_A", a.Scales, options.SaveIndices);
        scalesB = Frozen("unilora_scales_B", b.Scales, options.SaveIndices);
    }

    public override LowRankUpdate Factors() => new(Gather(indicesA, scalesA), Gather(indicesB, scalesB));

    private Tensor Gather(Tensor indices, Tensor scales) => theta.index_select(0, indices.view(-1)).view(indices.shape).mul(scales);
}
