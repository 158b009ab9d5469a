namespace Peft.Lora;

/// <summary>
/// VB-LoRA (Li et al. 2024, arXiv:2405.15179): ΔW = B·A, whose pieces of length l are mixtures of the bank's vectors: those with the k largest
/// logits, weighted by the softmax of these logits. The logits of A are <c>[rank, in/l, vectors]</c>, those of B <c>[out/l, rank, vectors]</c>.
/// </summary>
internal sealed class VbLoraLayer : FactoredLayer
{
    private const string Indices = "_topk_indices", Weights = "_topk_weights";

    private readonly Parameter logitsA, logitsB;
    private readonly VbLoraBank bank;
    private readonly int k;
    private readonly bool compact;

    public VbLoraLayer(Target target, VbLoraOptions options, VbLoraBank bank) : base(target, options.Rank)
    {
        var length = options.VectorLength;
        if (target.In % length != 0 || target.Out % length != 0)
            throw new AdapterOptionsException($"VectorLength must divide the input and output size of each target, but was {length} for {target}.");
        (this.bank, k, compact) = (bank, options.TopK, options.SaveOnlyTopK);
        Dropout = options.Dropout;
        logitsA = Logits("vblora_logits_A", options, Rank, target.In / length, options.Vectors);
        logitsB = Logits("vblora_logits_B", options, target.Out / length, Rank, options.Vectors);
    }

    public override LowRankUpdate Factors() => new(Mix(logitsA).reshape(Rank, -1), Mix(logitsB).transpose(1, 2).reshape(-1, Rank));

    private Tensor Mix(Tensor logits)   // [rows, columns, length]
    {
        var (top, chosen) = logits.topk(k);
        var vectors = bank.Vectors.index_select(0, chosen.reshape(-1)).view([.. chosen.shape, -1]);
        return top.softmax(-1).unsqueeze(-1).mul(vectors).sum(dim: -2);
    }

    // The compact form has different tensors, which are computed from the logits on save.
    private Parameter Logits(string name, VbLoraOptions options, params long[] shape)
    {
        var logits = Trainable(name, Normal(options.LogitsDeviation, shape), saved: !compact);
        if (!compact) return logits;
        Frozen(name + Indices, zeros([.. shape[..^1], k], options.Vectors < 256 ? ScalarType.Byte : options.Vectors < 32768 ? ScalarType.Int16 : ScalarType.Int32, Device));
        Frozen(name + Weights, Zeros([.. shape[..^1], k - 1]));
        return logits;
    }

    protected override Tensor ToSaved(AdapterTensor tensor)
    {
        if (!compact) return base.ToSaved(tensor);
        if (!tensor.Name.EndsWith(Indices, StringComparison.Ordinal) && !tensor.Name.EndsWith(Weights, StringComparison.Ordinal)) return base.ToSaved(tensor);
        var logits = tensor.Name.Contains("_A", StringComparison.Ordinal) ? logitsA : logitsB;
        if (Tensors.Any(each => ReferenceEquals(each.Value, logits) && !each.IsTrainable)) return base.ToSaved(tensor);
        var (top, chosen) = logits.topk(k);
        return tensor.Name.EndsWith(Indices, StringComparison.Ordinal) ? chosen.to_type(tensor.Value.dtype) : top.softmax(-1).narrow(-1, 0, k - 1).contiguous();
    }

    // The weights sum to 1, so the last one is not saved. Unused vectors get a logit of -∞ and stay unused, so the mixture is frozen.
    protected override void Loaded()
    {
        if (!compact) return;
        foreach (var logits in new[] { logitsA, logitsB })
        {
            var name = Tensors.Single(tensor => ReferenceEquals(tensor.Value, logits)).Name;
            Tensor Value(string suffix) => Tensors.Single(tensor => tensor.Name == name + suffix).Value;
            var weights = Value(Weights);
            var all = cat([weights, weights.sum(dim: -1, keepdim: true).neg().add(Constant(1), One)], -1);
            logits.fill_(Constant(double.NegativeInfinity)).scatter_(-1, Value(Indices).to_type(ScalarType.Int64), all.log());
            SetTrainable(logits, false);
        }
    }
}
