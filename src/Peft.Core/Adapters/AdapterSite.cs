using Peft.Kernels;
using Peft.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>One adapted module: how adapters attach to it, and what a call of it comes to.</summary>
internal sealed class AdapterSite(PeftModel model, Target target) : IDisposable
{
    private Action? detach;

    public Target Target { get; } = target;

    /// <summary>Whether any forward pass has come by.</summary>
    public bool Reached { get; private set; }

    /// <summary>Whether adapters are in the module's weight at present.</summary>
    public bool IsMerged { get; set; }

    /// <summary>Whether it attaches by a hook, which no pass may be in the middle of.</summary>
    public bool NeedsHook => Target is ParameterTarget || Target.Module is not AdaptableModule;

    /// <summary>The module's output with its adapters.</summary>
    /// <param name="input">The module's input.</param>
    /// <param name="output">Its own output, where that is known already (behind a hook).</param>
    public Tensor Forward(Tensor input, Tensor? output = null)
    {
        Reached = true;
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (ForwardPass.Current.IsPreliminary) return Forward([.. here.Layers.Where(layer => layer is IActsInFirstPass { ActsInFirstPass: true })], input, output);
        pass.State.Draft.Observer?.Invoke(Target, input);
        if (here.Rows is { } rows) return rows.Forward(this, input);
        if (here.UsesBaseWeights) return Apply(input, BaseWeights());
        if (here.Layers.Length > 0 && pass.State.KeepsFolded && !is_grad_enabled()) return Apply(input, here.Folded(this));
        return Forward(here.Layers, input, output);
    }

    private Tensor Apply(Tensor input, Weights weights) => Target.Apply(input, weights.Weight, weights.Bias);

    // Those that merging has put aside.
    private Weights BaseWeights() => new(Target.ToMatrix(model.BaseOf(Target.Weight)), Target.Bias is { } bias ? model.BaseOf(bias) : null);

    /// <summary>The output with the given layers around the module, the first innermost.</summary>
    public Tensor Forward(ReadOnlySpan<AdapterLayer> stack, Tensor input, Tensor? output)
    {
        if (stack.IsEmpty && output is null) return new Inner(this, stack, input, output).Forward(input);
        using var scope = NewDisposeScope();
        var folds = FoldingIsCheaper(stack, input);
        if ((folds || output is null) && Factored(stack, input, folds) is { } product) return product.MoveToOuterDisposeScope();
        if (!folds) return new Inner(this, stack, input, output).Forward(input).MoveToOuterDisposeScope();
        var weights = Fold(stack);
        return Target.Apply(input, weights.Weight, weights.Bias).MoveToOuterDisposeScope();
    }

    // One low-rank update in one node of the graph.
    private Tensor? Factored(ReadOnlySpan<AdapterLayer> stack, Tensor input, bool folds)
    {
        if (stack.Length != 1 || !Target.IsProduct || stack[0] is not DeltaLayer { CostPerPosition: > 0, AsProduct: { } factors }) return null;
        var weight = Target.ToMatrix(Target.Weight);
        if (folds)
            return FactoredProduct.Takes(input, weight, Target.Bias, factors.A, factors.B) ? FactoredProduct.Run(input, weight, Target.Bias, factors.A, factors.B, factors.Scale) : null;
        return LowRankProduct.Takes(input, weight, Target.Bias, factors.A, factors.B) ? LowRankProduct.Run(input, weight, Target.Bias, factors.A, factors.B, factors.Scale) : null;
    }

    /// <summary>The weights of the module with the given layers around it, in float32 where the module's are half as wide.</summary>
    public Weights Fold(ReadOnlySpan<AdapterLayer> stack)
    {
        return Fold(Target, stack, new Weights(Target.ToMatrix(Wide(Target.Weight)), Target.Bias is { } bias ? Wide(bias) : null));
    }

    /// <summary>The weights with the given layers around them, the first innermost.</summary>
    public static Weights Fold(Target target, ReadOnlySpan<AdapterLayer> stack, Weights weights)
    {
        foreach (var layer in stack) weights = layer.Merge(weights) ?? throw NotMergeableException.For(target, layer);
        return weights;
    }

    private static Tensor Wide(Tensor tensor)
        => tensor.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? tensor.to_type(ScalarType.Float32) : tensor.alias();

    // In training, folding costs the gradient of a whole weight matrix per position where factors cost their own three times
    // (forward and twice backward), and thin products run at about half the speed of square ones. Without gradients it costs
    // forming the matrix, some 16 multiplications per element, against the factors for all positions. Half-width weights are
    // never folded: a small update would be rounded away.
    private bool FoldingIsCheaper(ReadOnlySpan<AdapterLayer> stack, Tensor input)
    {
        if (stack.IsEmpty || Target.Weight.dtype is ScalarType.Float16 or ScalarType.BFloat16) return false;
        var cost = 0.0;
        foreach (var layer in stack)
        {
            if (layer.CostPerPosition == 0) return false;
            cost += layer.CostPerPosition;
        }
        var size = (double)Target.In * Target.Out;
        return is_grad_enabled() ? cost * 6 >= size : cost * Target.Positions(input) >= size * 16;
    }

    /// <summary>Lets adapters enter the module.</summary>
    /// <exception cref="PeftException">They cannot.</exception>
    public void Attach() => detach = Attached();

    private Action Attached()
    {
        if (Target is ParameterTarget parameter) return parameter.Lend(AdaptedValue);
        switch (Target.Module)
        {
            case AdaptableModule own:
                own.Site = this;
                return () => own.Site = null;
            case nn.Module<Tensor, Tensor> module:
                var hook = module.register_forward_hook((_, input, output) =>
                {
                    var adapted = Forward(input, output);
                    output.Dispose();   // nobody else sees what the hook replaces
                    return adapted;
                });
                return () => hook.remove();
            default:
                throw new PeftException($"{Target} does not map one tensor to one tensor: adapters cannot enter it.");
        }
    }

    private Tensor? AdaptedValue()
    {
        Reached = true;
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (here.UsesBaseWeights) return model.BaseOf(Target.Weight).alias();
        if (here.Layers.Length == 0 || ForwardPass.Current.IsPreliminary) return null;
        using var scope = NewDisposeScope();
        return Target.ToStored(Fold(here.Layers).Weight).to_type(Target.Weight.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Detaches from the module, which is then as it was.</summary>
    public void Dispose()
    {
        detach?.Invoke();
        detach = null;
    }
}
