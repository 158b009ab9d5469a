namespace Peft.Adapters;

/// <summary>
/// A bottleneck adapter (Houlsby et al. 2019, arXiv:1902.00751) on a module's output h: y = h + s·up(act(down(x))). The input x is h,
/// or norm(h + r) with the residual stream r, or, in parallel to the sub-block, r (He et al. 2021, arXiv:2110.04366).
/// </summary>
internal sealed class BottleneckLayer : TransformLayer
{
    private readonly BottleneckOptions options;
    private readonly ResidualTap? tap;
    private readonly nn.Module<Tensor, Tensor>? norm;
    private readonly Func<Tensor, Tensor> down, up, act;
    private readonly Parameter? scale;
    private readonly (Parameter Weight, Parameter Bias)? before, after, gate;

    public BottleneckLayer(Target target, BottleneckOptions options, HypercomplexShared? shared, ResidualTap? tap, nn.Module<Tensor, Tensor>? norm) : base(target)
    {
        (this.options, this.tap, this.norm) = (options, tap, norm);
        var inputs = options.IsParallel && tap is null ? target.In : target.Out;
        var factor = options.ReductionFactor.At(target.Layer) ?? throw new AdapterOptionsException($"ReductionFactor names neither layer {target.Layer} of {target.Path} nor 'default'.");
        var width = Math.Max(1, (long)(inputs / factor));

        // Names as in the Adapters library, where the projection follows the norm in a Sequential.
        if (options.OwnNormBefore) before = (Trainable("adapter_norm_before.weight", Ones(inputs)), Trainable("adapter_norm_before.bias", Zeros(inputs)));
        down = Project(options.OwnNormBefore ? "adapter_down.1" : "adapter_down.0", "down", inputs, width, shared);
        up = Project("adapter_up", "up", width, target.Out, shared);
        act = Nonlinearity.Named(options.NonLinearity);
        if (options.Scaling.Name is { } learned) scale = Trainable("scaling", Ones(learned == "channel" ? target.Out : 1));
        if (options.OwnNormAfter) after = (Trainable("adapter_norm_after.weight", Ones(target.Out)), Trainable("adapter_norm_after.bias", Zeros(target.Out)));
        if (options.UseGating) gate = (Trainable("gate.weight", Normal(0.02, 1, inputs)), Trainable("gate.bias", Zeros(1)));
    }

    /// <summary>True if the bottleneck runs in parallel to the sub-block.</summary>
    public bool IsParallel => options.IsParallel;

    protected override Tensor TransformOutput(Tensor input, Tensor output)
    {
        using var stream = tap?.Take();
        var r = stream is null || stream.dtype == output.dtype ? stream : stream.to_type(output.dtype);
        if (options.IsParallel) return output.add(Normed(Change(r ?? input), after), One);
        var (x, residual) = Enter(output, r);
        var change = Change(x);
        var y = options.ResidualBeforeOwnNorm ? Normed(change.add(residual, One), after) : Normed(change, after).add(residual, One);
        return Leave(y, r);
    }

    /// <summary>The input of the bottleneck for an output, and the value that its own residual connection adds.</summary>
    public (Tensor Input, Tensor Residual) Enter(Tensor output, Tensor? stream)
    {
        if (!options.NormBefore || stream is null) return (output, output);
        var sum = output.add(stream, One);
        var type = Target.ComputeType;   // the model's own norm computes in the model's dtype
        var normal = norm is null ? sum : sum.dtype == type ? norm.call(sum) : norm.call(sum.to_type(type)).to_type(sum.dtype);
        return (normal, options.Residual switch { BottleneckResidual.BeforeNorm => output, BottleneckResidual.AfterAddition => sum, _ => normal });
    }

    /// <summary>The module's output. The model adds the residual stream in any case, so it is subtracted here if it must not be added again.</summary>
    public Tensor Leave(Tensor y, Tensor? stream) => options.NormAfter || stream is null ? y : y.sub(stream);

    /// <summary>s·up(act(down(x))).</summary>
    public Tensor Bottleneck(Tensor x)
    {
        var hidden = up(act(down(Normed(x, before))));
        if (Training && options.StochasticDepth > 0)
        {
            var kept = 1 - options.StochasticDepth;
            hidden = hidden.mul(empty(PerSequence(hidden), hidden.dtype, hidden.device).bernoulli_(kept).div(Constant(kept)));
        }
        return scale is not null ? hidden.mul(scale) : options.Scaling.Factor == 1 ? hidden : hidden.mul(Constant(options.Scaling.Factor));
    }

    private Tensor Change(Tensor x)
    {
        var change = Bottleneck(x);
        if (Training && options.Dropout > 0) change = nn.functional.dropout(change, options.Dropout, training: true);
        if (gate is not { } g) return change;
        return change.mul(PassPositions.MeanOfSeen(g.Weight, nn.functional.linear(x, g.Weight, g.Bias).sigmoid()));
    }

    private static Tensor Normed(Tensor x, (Parameter Weight, Parameter Bias)? own)
        => own is { } n ? nn.functional.layer_norm(x, [x.size(-1)], n.Weight, n.Bias) : x;

    private Func<Tensor, Tensor> Project(string name, string position, long inputs, long outputs, HypercomplexShared? shared)
    {
        if (options.IsHypercomplex) return new HypercomplexProjection(options, shared, position, inputs, outputs, Target, (part, initial) => Trainable($"{name}.{part}", initial), (part, value) => Frozen($"{name}.{part}", value)).Apply;
        var weight = Trainable($"{name}.weight", options.Initialization switch
        {
            "bert" => Normal(0.02, outputs, inputs),
            "houlsby" => nn.init.trunc_normal_(Zeros(outputs, inputs), 0, 1e-2, -2e-2, 2e-2),
            _ => position == "up" ? Zeros(outputs, inputs) : KaimingUniform(outputs, inputs),
        });
        var bias = Trainable($"{name}.bias", Zeros(outputs));
        return x => nn.functional.linear(x, weight, bias);
    }

    private static long[] PerSequence(Tensor value) => [value.size(0), .. Enumerable.Repeat(1L, (int)value.dim() - 1)];
}
