using Peft.Kernels;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// A layer in a decode step: <c>[batch, 1, hidden]</c> to <c>[batch, 1, hidden]</c>, in place of some fifty operations of torch, whose calls would take longer than the computation. On the CPU in float32, with plain
/// or quantized weights, and with low-rank updates, the same for all rows or one for each.
/// </summary>
internal sealed class DecodeLayer
{
    private readonly SelfAttention attention;
    private readonly AttentionShape shape;
    private readonly AdaptableModule[] projections, wide;
    private readonly AdaptableModule down;
    private readonly AdaptableModule?[] norms;
    private readonly string activation;
    private readonly bool isParallel, isGated;

    private DecodeLayer(TransformerSpec spec, SelfAttention attention, FeedForward feedForward, AttentionShape shape, AdaptableModule?[] norms)
    {
        (this.attention, this.shape, this.norms) = (attention, shape, [.. norms, attention.Norms?.Query, attention.Norms?.Key]);
        (projections, wide, down) = ([.. attention.Inputs], [.. feedForward.Inputs], feedForward.Down);
        (activation, isParallel, isGated) = (spec.Activation.Name, spec.ParallelResidual, spec.GatedFeedForward || spec.FusedGate);
    }

    /// <summary>The step of a layer; null if the kernels do not support the architecture.</summary>
    /// <param name="spec">The model's description.</param>
    /// <param name="attention">The attention.</param>
    /// <param name="feedForward">The feed-forward network.</param>
    /// <param name="norms">The norms before attention and feed-forward network, and those after them or null.</param>
    public static DecodeLayer? Of(TransformerSpec spec, SelfAttention attention, FeedForward feedForward, AdaptableModule?[] norms)
        => !spec.PostNorm && spec.Encoder is null && spec.HeadSize % 8 == 0 && spec.HiddenSize % 8 == 0 && spec.IntermediateSize % 4 == 0 && attention.Kernel is { } shape && ActivationKernel.Supports(spec.Activation.Name)
            ? new(spec, attention, feedForward, shape, norms) : null;

    /// <summary>The layer's output; null, without any effect, if the kernels do not support its modules' weights or adapters.</summary>
    public Tensor? Run(Tensor input, ForwardContext context)
    {
        if (!input.is_contiguous()) return null;
        using var scope = NewDisposeScope();
        var decodeNorms = new DecodeNorm?[norms.Length];
        for (var i = 0; i < norms.Length; i++)
            if (norms[i] is { } norm && (decodeNorms[i] = norm.DecodeNorm) is null) return null;
        var rows = context.Batch;
        if (All(projections, rows) is not { } projected || attention.Output.ForDecoding(rows) is not { } output || All(wide, rows) is not { } inner || down.ForDecoding(rows) is not { } last) return null;

        var block = new DecodeBlock(shape, attention.IsJoinedPerHead, activation, isGated, isParallel)
        {
            Norms = (decodeNorms[0]!, decodeNorms[1]!), OutputNorms = (decodeNorms[2], decodeNorms[3]), HeadNorms = (decodeNorms[4], decodeNorms[5]),
            Projections = projected, Output = output, Wide = inner, Down = last,
        };
        var (keys, values) = context.CacheRoom(shape);
        var angles = attention.AnglesOf(context);
        return block.Run(input, keys, values, context.Past, angles?.Cosine, angles?.SignedSine, context.FirstPositions, context.PromptLengths).MoveToOuterDisposeScope();
    }

    private static DecodeLinear[]? All(AdaptableModule[] modules, int rows)
    {
        var linears = new DecodeLinear[modules.Length];
        for (var i = 0; i < linears.Length; i++)
        {
            if (modules[i].ForDecoding(rows) is not { } linear) return null;
            linears[i] = linear;
        }
        return linears;
    }
}
