namespace Peft.Prefix;

/// <summary>
/// K ← [Pₖ; K], V ← [Pᵥ; V] in each layer. P is trained directly or P = W₂·tanh(W₁·E + b₁) + b₂. With gates, [g·Pₖ; K] and [g·Pᵥ; V], where
/// g is the mean of σ(w·x + c) over the visible positions x.
/// </summary>
internal sealed class PrefixTuningLayer : KeyValuePrompt, ISavesCopies
{
    private readonly Parameter embedding;
    private readonly Perceptron? projection;

    public PrefixTuningLayer(ModelTree model, PrefixTuningOptions options) : base(model, options.VirtualTokens!.Value)
    {
        if (options.UseGating) Gates = [.. Enumerable.Range(0, Shape.PrefixedLayerCount).Select(Gate)];
        var (zero, size) = (options.InitWeights == "zero", options.TokenSize!.Value);
        var direct = !options.Projection || options.InferenceMode;
        embedding = direct ? Trainable("prompt_embeddings", options.InitialText is not null ? OfText(model, options) : zero ? Zeros(PrefixCount, Width) : Normal(1, PrefixCount, Width))
            : Trainable("prompt_encoder.embedding.weight", Normal(1, PrefixCount, size), saved: false);
        if (direct) return;
        projection = new Perceptron((name, bound, shape) => Trainable(name, Uniform(bound, shape), saved: false), "prompt_encoder.transform", x => x.tanh(), size, options.EncoderSize!.Value, Width);
        if (zero) projection.ZeroOutput();
    }

    public override IReadOnlyList<PrefixGate>? Gates { get; }

    public IReadOnlyDictionary<string, Tensor> SavedCopies => projection is null ? new Dictionary<string, Tensor>() : SavedPrompt.Of(Flat);

    // Named as in the Adapters library, with the index of the layer.
    private PrefixGate Gate(int layer)
    {
        var weight = Trainable($"prefix_gates.{layer}.weight", Normal(0.02, 1, Shape.HiddenSize));
        var bias = Trainable($"prefix_gates.{layer}.bias", Zeros(1));
        return input => PassPositions.MeanOfSeen(weight, nn.functional.linear(input.to_type(weight.dtype), weight, bias).sigmoid()).expand(-1, -1, PrefixCount).to_type(input.dtype);
    }

    protected override Tensor Flat() => projection?.Run(embedding) ?? embedding;
}
