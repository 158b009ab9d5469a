using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A layer: x + attention(norm(x)), then + feed-forward(norm(·)); or both at once where residuals are parallel.</summary>
internal sealed class DecoderLayer : nn.Module<Tensor, ForwardContext, Tensor>
{
    private readonly SelfAttention attention;
    private readonly FeedForward feedForward;
    private readonly AdaptableModule attentionNorm, feedForwardNorm;
    private readonly AdaptableModule? attentionOutputNorm, feedForwardOutputNorm;
    private readonly bool parallel;
    private readonly double dropout;

    public DecoderLayer(DecoderSpec spec, int layer, Placement at) : base("")
    {
        var names = spec.Names;
        parallel = spec.ParallelResidual;
        dropout = spec.ResidualDropout;
        register_module(names.Attention, attention = new SelfAttention(spec, layer, at));
        feedForward = new FeedForward(spec, at);
        if (names.FeedForward is { } name) register_module(name, feedForward);
        else foreach (var (part, module) in feedForward.Parts) register_module(part, module);
        register_module(names.AttentionNorm, attentionNorm = DecoderParts.Norm(spec, spec.HiddenSize, at));
        register_module(names.FeedForwardNorm, feedForwardNorm = DecoderParts.Norm(spec, spec.HiddenSize, at));
        if (names.AttentionOutputNorm is { } afterAttention)
            register_module(afterAttention, attentionOutputNorm = DecoderParts.Norm(spec, spec.HiddenSize, at));
        if (names.FeedForwardOutputNorm is { } afterFeedForward)
            register_module(afterFeedForward, feedForwardOutputNorm = DecoderParts.Norm(spec, spec.HiddenSize, at));
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, ForwardContext context)
    {
        using var normal = attentionNorm.call(input);
        using var attended = Finish(attention.call(normal, context), attentionOutputNorm);
        using var middle = input.add(attended);
        using var normalAgain = feedForwardNorm.call(parallel ? input : middle);
        using var fed = Finish(feedForward.call(normalAgain), feedForwardOutputNorm);
        return middle.add(fed);
    }

    private Tensor Finish(Tensor change, AdaptableModule? norm)
    {
        if (norm is not null)
        {
            using (change) return norm.call(change);
        }
        if (!training || dropout == 0) return change;
        using (change) return nn.functional.dropout(change, dropout);
    }
}
