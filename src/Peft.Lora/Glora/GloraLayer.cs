namespace Peft.Lora;

/// <summary>
/// GLoRA (Chavan et al. 2023, arXiv:2306.07967): W′ = W + W∘A + B, b′ = b + b∘D + E + W·C, where A and B broadcast to <c>[out, in]</c>,
/// C to <c>[in, 1]</c>, and D and E to <c>[out]</c>. W and b are the module's own, so that the updates of several adapters add up.
/// </summary>
internal sealed class GloraLayer : ReweightLayer
{
    private readonly Func<Tensor> a, b, c, d, e;
    private readonly bool random;

    public GloraLayer(Target target, GloraOptions options) : base(target)
    {
        random = !options.InitWeights;
        var (input, bias) = target.Bias is null ? ("none", "none") : (options.InputForm, options.BiasForm);
        a = Path("glora_A", options.WeightForm, options.Rank, target.Out, target.In);
        b = Path("glora_B", options.WeightForm, options.Rank, target.Out, target.In);
        c = Path("glora_C", input, options.Rank, target.In, 1);
        d = Path("glora_D", bias, options.Rank, target.Out);
        e = Path("glora_E", bias, options.Rank, target.Out);
    }

    protected override Weights Reweight(Weights inner)
    {
        var own = Target.ReadMatrix(inner.Weight.dtype);
        var weight = inner.Weight.add(own.mul(a()), One).add(b(), One);
        if (inner.Bias is not { } bias) return inner with { Weight = weight };
        var ownBias = Target.Bias!.to_type(bias.dtype);
        return new Weights(weight, bias.add(ownBias.mul(d()), One).add(e(), One).add(own.mm(c()).squeeze(-1), One));
    }

    // The form "vector" is a column for a matrix and the full vector for a one-dimensional shape.
    private Func<Tensor> Path(string name, string form, int rank, params long[] shape)
    {
        switch (form)
        {
            case "lora":
                var down = Trainable(name + ".Xd", random ? KaimingUniform(shape[0], rank) : Zeros(shape[0], rank));
                var up = Trainable(name + ".Xu", KaimingUniform(rank, shape[1]));
                return () => down.mm(up);
            case "none":
                var zeros = Frozen(name + ".zeros", Zeros(shape));
                return () => zeros;
            default:
                long[] size = form == "constant" ? [1] : shape.Length == 1 ? shape : [shape[0], 1];
                var x = Trainable(name + ".X", !random ? Zeros(size) : form == "constant" ? Normal(0.02, size) : size.Length == 1 ? KaimingUniform(1, size[0]).squeeze(0) : KaimingUniform(size));
                return () => x;
        }
    }
}
