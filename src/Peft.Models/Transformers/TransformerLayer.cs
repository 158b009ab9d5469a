using System.Collections;
using Peft.Kernels;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// A layer: h = x + attention(norm(x)), then h + feed-forward(norm(h)), with cross-attention between them in a decoder with an encoder. With parallel residuals, both
/// branches read x. With post-norm: h = norm(x + attention(x)), then norm(h + feed-forward(h)).
/// </summary>
internal sealed class TransformerLayer : nn.Module<Tensor, ForwardContext, Tensor>
{
    private const int MostRowsOfModules = 128;

    private readonly SelfAttention attention;
    private readonly CrossAttention? crossAttention;
    private readonly FeedForward feedForward;
    private readonly AdaptableModule? attentionNorm, feedForwardNorm;   // null if only outputs are normalized
    private readonly AdaptableModule? crossAttentionNorm, attentionOutputNorm, feedForwardOutputNorm;
    private readonly bool parallel, postNorm;
    private readonly double dropout, attentionDropout, residualScale;
    private readonly DecodeLayer? decode;
    private readonly ICollection[] hooks, ownHooks;   // of the modules inside, and of the layer

    public TransformerLayer(TransformerSpec spec, int layer, Placement at) : base("")
    {
        var names = spec.Names;
        (parallel, postNorm, residualScale) = (spec.ParallelResidual, spec.PostNorm, spec.ResidualScale);
        (dropout, attentionDropout) = (spec.ResidualDropout, spec.AttentionOutputDropout ?? spec.ResidualDropout);
        this.Place(names.Attention, attention = new SelfAttention(spec, layer, at));
        if (spec.Encoder is { } encoder)
        {
            this.Place(names.CrossAttention, crossAttention = new CrossAttention(spec, encoder.HiddenSize, at));
            this.Place(names.CrossAttentionNorm, crossAttentionNorm = TransformerParts.Norm(spec, spec.HiddenSize, at));
        }
        feedForward = new FeedForward(spec, at);
        if (names.FeedForward is { } name) this.Place(name, feedForward);
        else foreach (var (part, module) in feedForward.Parts) this.Place(part, module);
        if (!spec.NormsOutputsOnly)
        {
            if (layer > 0 || !spec.SkipsFirstNorm) this.Place(names.AttentionNorm, attentionNorm = TransformerParts.Norm(spec, spec.HiddenSize, at));
            if (spec.SharedNorm) feedForwardNorm = attentionNorm;
            else this.Place(names.FeedForwardNorm, feedForwardNorm = TransformerParts.Norm(spec, spec.HiddenSize, at));
        }
        if (names.AttentionOutputNorm is { } afterAttention)
            this.Place(afterAttention, attentionOutputNorm = TransformerParts.Norm(spec, spec.HiddenSize, at));
        if (names.FeedForwardOutputNorm is { } afterFeedForward)
            this.Place(afterFeedForward, feedForwardOutputNorm = TransformerParts.Norm(spec, spec.HiddenSize, at));
        nn.Module?[] modules = [attention, feedForward, .. attention.Inputs, attention.Output, .. feedForward.Inputs, feedForward.Down, attentionNorm, feedForwardNorm, attentionOutputNorm, feedForwardOutputNorm,
            attention.Norms?.Query, attention.Norms?.Key];
        hooks = [.. modules.OfType<nn.Module>().SelectMany(ModuleInternals.Hooks)];
        ownHooks = [.. ModuleInternals.Hooks(this)];
        decode = attentionNorm is null || residualScale != 1 ? null : DecodeLayer.Of(spec, attention, feedForward, [attentionNorm, feedForwardNorm, attentionOutputNorm, feedForwardOutputNorm]);
    }

    // The modules are registered under the names of the architecture's description, not under the field names.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, ForwardContext context)
    {
        if (postNorm) return NormLastByNode(input, context) ?? NormLast(input, context);
        if (Step(input, context) is { } stepped) return stepped;
        if (ByNode(input, context) is { } output) return output;
        using var middle = AddCross(AddAttention(input, context), context);
        return AddFeedForward(parallel ? input : middle, middle, context);
    }

    private Tensor AddAttention(Tensor input, ForwardContext context)
    {
        if (AddAttentionByNode(input, context) is { } added) return added;
        using var normal = attentionNorm?.call(input) ?? input.alias();
        using var attended = Finish(attention.call(normal, context), attentionOutputNorm, attentionDropout);
        return input.add(attended, One);
    }

    private Tensor AddFeedForward(Tensor input, Tensor residual, ForwardContext context)
    {
        if (AddFeedForwardByNode(input, residual, context) is { } added) return added;
        using var normal = feedForwardNorm?.call(input) ?? input.alias();
        using var fed = Finish(feedForward.call(normal), feedForwardOutputNorm, dropout);
        return residual.add(fed, One);
    }

    // The whole layer as steps: in training, one node of the autograd graph that keeps few tensors. Null if that does not apply.
    private Tensor? ByNode(Tensor input, ForwardContext context)
    {
        if (!UsesNodes(input, context) || crossAttention is not null || attentionOutputNorm is not null || feedForwardOutputNorm is not null) return null;
        using var scope = NewDisposeScope();
        if (!feedForward.HasSteps || feedForwardNorm?.AsNormInput() is not { } second || attentionNorm?.AsNormInput() is not { } first) return null;
        var steps = new NodeSteps(input.contiguous()) { OnlyGradients = NeedsNoOutput(context) };
        if (AddAttention(steps, first, context) is not { } middle || !AddFeedForward(steps, second, parallel ? 0 : middle, middle, context)) return null;
        return steps.Run()[0].MoveToOuterDisposeScope();
    }

    /// <summary>The input plus the attention, in training as a node of the autograd graph that keeps few tensors; null if that does not apply.</summary>
    internal Tensor? AddAttentionByNode(Tensor input, ForwardContext context)
    {
        if (!UsesNodes(input, context) || attentionOutputNorm is not null || attentionNorm?.AsNormInput() is not { } norm) return null;
        using var scope = NewDisposeScope();
        var steps = new NodeSteps(input.contiguous());
        return AddAttention(steps, norm, context) is null ? null : steps.Run()[0].MoveToOuterDisposeScope();
    }

    /// <summary>A residual plus the feed-forward network, likewise.</summary>
    internal Tensor? AddFeedForwardByNode(Tensor input, Tensor residual, ForwardContext context)
    {
        if (!UsesNodes(input, context) || feedForwardOutputNorm is not null || feedForwardNorm?.AsNormInput() is not { } norm) return null;
        using var scope = NewDisposeScope();
        var steps = new NodeSteps(input.contiguous(), residual.contiguous()) { OnlyGradients = NeedsNoOutput(context) };
        return AddFeedForward(steps, norm, 0, 1, context) ? steps.Run()[0].MoveToOuterDisposeScope() : null;
    }

    // Steps for the attention of value 0, added to it; returns the index of the sum.
    private int? AddAttention(NodeSteps steps, NodeInput norm, ForwardContext context)
    {
        var drops = training && attentionDropout > 0;
        return attention.AddSteps(steps, norm, 0, drops ? null : 0, context) is not { } output ? null : drops ? steps.Add(new DropoutStep(attentionDropout, output, 0)) : output;
    }

    // Steps for the feed-forward network of a value, added to a residual: their last value.
    private bool AddFeedForward(NodeSteps steps, NodeInput norm, int input, int residual, ForwardContext context)
    {
        var drops = training && dropout > 0;
        if (!feedForward.AddSteps(steps, norm, input, drops ? null : residual, context.Rows)) return false;
        if (drops) steps.Add(new DropoutStep(dropout, steps.Count - 1, residual));
        return true;
    }

    // With gradients, and without them for many rows: modules have kernels for fewer.
    private bool UsesNodes(Tensor input, ForwardContext context) => TorchRuntime.Cpu.LayerNodes && residualScale == 1 && !IsHooked && TensorMemory.Supports(input) && DropsByMasks(input) && (is_grad_enabled() || context.Run == LayerRun.First || context.Rows > MostRowsOfModules);

    private bool DropsByMasks(Tensor input) => !training || (Math.Max(dropout, attentionDropout) is var most && (most == 0 || DropoutMask.Supports(input, most)));

    /// <summary>The layer's output in a decode step by the kernels; null if they do not apply.</summary>
    internal Tensor? Step(Tensor input, ForwardContext context) => HasStep && context.IsDecodeStep ? decode!.Run(input, context) : null;

    /// <summary>True if <see cref="Step"/> supports the architecture, and nothing observes the modules inside.</summary>
    internal bool HasStep => decode is not null && !training && TorchRuntime.Cpu.DecodeSteps && !IsHooked;

    // A hook runs when its module is called, so that kernels must not replace the call.
    private bool IsHooked => HasAny(hooks);

    // A hook of the layer reads its output, also in the second run.
    private bool NeedsNoOutput(ForwardContext context) => context.IsSecondRun && !HasAny(ownHooks);

    private static bool HasAny(ICollection[] hooks)
    {
        foreach (var each in hooks)
            if (each.Count > 0) return true;
        return false;
    }

    /// <summary>The modules into which AWQ can fold factors of inputs.</summary>
    public IReadOnlyList<ScaleFold> ScaleFolds(TransformerSpec spec)
    {
        var folds = new List<ScaleFold>();
        if (spec.SharedNorm) folds.Add(new(attentionNorm!, [.. attention.Inputs, .. feedForward.Inputs], NormOffset: spec.NormOffset));
        else if (!postNorm)
        {
            if (attentionNorm is not null) folds.Add(new(attentionNorm, attention.Inputs, NormOffset: spec.NormOffset));
            if (feedForwardNorm is not null) folds.Add(new(feedForwardNorm, feedForward.Inputs, NormOffset: spec.NormOffset));
        }
        if (attention.ValueFold() is { } values) folds.Add(values);
        if (feedForward.UpFold() is { } up) folds.Add(up);
        return folds;
    }

    /// <summary>The whole layer with post-norm, likewise.</summary>
    internal Tensor? NormLastByNode(Tensor input, ForwardContext context)
    {
        if (!UsesNodes(input, context) || crossAttention is not null || !feedForward.HasSteps) return null;
        using var scope = NewDisposeScope();
        if (attentionNorm!.AsNormInput() is not { } first || feedForwardNorm!.AsNormInput() is not { } second) return null;
        var steps = new NodeSteps(input.contiguous()) { OnlyGradients = NeedsNoOutput(context) };
        if (AddAttention(steps, new PlainInput(), context) is not { } sum) return null;
        var middle = steps.Add(new NormStep(first, sum), isRecomputed: !context.IsSecondRun);
        if (!AddFeedForward(steps, new PlainInput(), middle, middle, context)) return null;
        steps.Add(new NormStep(second, steps.Count - 1));
        return steps.Run()[0].MoveToOuterDisposeScope();
    }

    private Tensor NormLast(Tensor input, ForwardContext context)
    {
        using var attended = Finish(attention.call(input, context), null, attentionDropout);
        using var first = input.add(attended, One);
        using var normal = attentionNorm!.call(first);
        using var middle = AddCrossAndNorm(normal, context);
        using var fed = Finish(feedForward.call(middle), null, dropout);
        using var second = middle.add(fed, One);
        return feedForwardNorm!.call(second);
    }

    private Tensor AddCrossAndNorm(Tensor hidden, ForwardContext context)
    {
        if (crossAttention is null) return hidden.alias();
        using var read = Finish(crossAttention.call(hidden, context), null, dropout);
        using var sum = hidden.add(read, One);
        return crossAttentionNorm!.call(sum);
    }

    private Tensor AddCross(Tensor hidden, ForwardContext context)
    {
        if (crossAttention is null) return hidden;
        using var before = hidden;
        using var normal = crossAttentionNorm!.call(hidden);
        using var read = Finish(crossAttention.call(normal, context), null, dropout);
        return hidden.add(read, One);
    }

    private Tensor Finish(Tensor change, AdaptableModule? norm, double probability)
    {
        if (residualScale == 1) return Finished(change, norm, probability);
        using var finished = Finished(change, norm, probability);
        return finished.mul(Constant(residualScale));
    }

    private Tensor Finished(Tensor change, AdaptableModule? norm, double probability)
    {
        if (norm is not null)
        {
            using (change) return norm.call(change);
        }
        if (!training || probability == 0) return change;
        using (change) return DropoutMask.Run(change, probability);
    }
}
