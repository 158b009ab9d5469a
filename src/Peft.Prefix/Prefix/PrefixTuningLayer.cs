using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Prefix;

/// <summary>K ← [Pₖ; K], V ← [Pᵥ; V] in each layer, with P itself learned or P = W₂·tanh(W₁·E + b₁) + b₂.</summary>
internal sealed class PrefixTuningLayer : KeyValuePrompt
{
    private readonly Parameter embedding;
    private readonly Perceptron? projection;

    public PrefixTuningLayer(ModelTree model, PrefixTuningOptions options) : base(model, options.VirtualTokens!.Value)
    {
        long count = options.VirtualTokens.Value;
        var (zero, size) = (options.InitWeights == "zero", options.TokenSize!.Value);
        if (!options.Projection || options.InferenceMode)
        {
            embedding = Trainable("prompt_embeddings", options.StartText is not null ? OfText(model, options) : zero ? Zeros(count, Width) : Normal(1, count, Width));
            return;
        }
        embedding = Trainable("prompt_encoder.embedding.weight", Normal(1, count, size), saved: false);
        projection = new Perceptron((name, bound, shape) => Trainable(name, Uniform(bound, shape), saved: false), "prompt_encoder.transform", x => x.tanh(), size, options.EncoderSize!.Value, Width);
        if (!zero) return;
        using var _ = no_grad();
        projection.Last.Weight.zero_();
        projection.Last.Bias.zero_();
    }

    protected override IReadOnlyDictionary<string, Tensor> SavedCopies
    {
        get
        {
            if (projection is null) return base.SavedCopies;
            using var _ = no_grad();
            return new Dictionary<string, Tensor> { ["prompt_embeddings"] = Flat() };
        }
    }

    protected override Tensor Flat() => projection?.Run(embedding) ?? embedding;
}
