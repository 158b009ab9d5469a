namespace Peft.Lora;

/// <summary>
/// PEANuT (Zhong et al. 2024, arXiv:2410.01870): ΔWᵀ = s·φ(Wᵀ·Aᵀ)·Bᵀ with A <c>[rank, out]</c>, B <c>[out, rank]</c> and an activation φ.
/// Between A and B are encoder and decoder layers <c>[rank, rank]</c>, as in an autoencoder with residual connections.
/// </summary>
internal sealed class PeanutLayer : FactoredLayer
{
    private readonly Parameter a, b;
    private readonly Parameter[] encoders, decoders;
    private readonly Func<Tensor, Tensor> activation;
    private readonly double scaling;

    public PeanutLayer(Target target, PeanutOptions options) : base(target, options.Rank)
    {
        var rank = options.Rank;
        (activation, scaling) = (ActivationOf(options.Activation), options.Scaling);
        a = Trainable("peanut_A.weight", KaimingUniform(rank, target.Out));
        encoders = Inner("peanut_encoders", options);
        decoders = Inner("peanut_decoders", options);
        b = Trainable("peanut_B.weight", options.InitWeights ? Zeros(target.Out, rank) : KaimingUniform(target.Out, rank));
    }

    public override LowRankUpdate Factors()
    {
        var hidden = activation(Target.ReadMatrix(TensorType).t().mm(a.t()));   // [in, rank]
        var residuals = new Stack<Tensor>();
        foreach (var encoder in encoders)
        {
            residuals.Push(hidden);
            hidden = activation(hidden.mm(encoder.t()));
        }
        foreach (var decoder in decoders) hidden = activation(hidden.mm(decoder.t())).add(residuals.Pop(), One);
        return new(hidden.t(), b, scaling);
    }

    private static Func<Tensor, Tensor> ActivationOf(string name) => name switch
    {
        "relu" => x => nn.functional.relu(x),
        "gelu" => x => nn.functional.gelu(x),
        "silu" or "swish" => x => nn.functional.silu(x),
        "tanh" => tanh,
        "sigmoid" => sigmoid,
        "leaky_relu" => x => nn.functional.leaky_relu(x, 0.01),
        "linear" => x => x,
        _ => throw new AdapterOptionsException($"Activation '{name}' is not known."),
    };

    private Parameter[] Inner(string name, PeanutOptions options)
        => [.. Enumerable.Range(0, options.LayerPairs).Select(i => Trainable($"{name}.{i}.weight", KaimingUniform(options.Rank, options.Rank)))];
}
