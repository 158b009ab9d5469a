using Peft.Kernels;
using Peft.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>One adapted module: attaches adapters to it and applies them when it is called.</summary>
internal sealed class AdapterSite(PeftModel model, Target target) : IDisposable
{
    private Action? detach;

    public Target Target { get; } = target;

    /// <summary>True once a forward pass has reached the module.</summary>
    public bool Reached { get; private set; }

    /// <summary>True while adapters are merged into the module's weight.</summary>
    public bool IsMerged { get; set; }

    /// <summary>True if the site attaches by a hook, which must not happen during a forward pass.</summary>
    public bool NeedsHook => Target is ParameterTarget || Target.Module is not AdaptableModule;

    /// <summary>Computes the module's output with its adapters.</summary>
    /// <param name="input">The module's input.</param>
    /// <param name="output">The module's own output if it is already known (in a hook).</param>
    public Tensor Forward(Tensor input, Tensor? output = null)
    {
        Reached = true;
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (ForwardPass.Current.IsPreliminary) return Forward([.. here.Layers.Where(layer => layer is IActsInPreliminaryPass { ActsInPreliminaryPass: true })], input, output);
        pass.State.Draft.Observer?.Invoke(Target, input);
        if (here.Rows is { } rows) return rows.Forward(this, input, pass.State.KeepsFolded);
        if (here.UsesBaseWeights)
        {
            using var bias = BaseBias();
            return Target.Apply(input, model.BaseOf(Target.Storage), bias);
        }
        if (here.Layers.Length > 0 && pass.State.KeepsFolded && !is_grad_enabled()) return Apply(input, here.Folded(this));
        return Forward(here.Layers, input, output);
    }

    /// <summary>The module with its adapters in a decode step; null if the kernels do not support them.</summary>
    /// <param name="module">The module.</param>
    /// <param name="rows">Number of rows.</param>
    public DecodeLinear? ForDecoding(AdaptableModule module, int rows)
    {
        Reached = true;
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (NeedsCall(pass, here)) return null;
        if (here.Layers.Length > 0 && pass.State.KeepsFolded) return here.Folded(this) is var (weight, bias) ? DecodeLinear.Of(PlainDecodeMatrix.Of(weight, transposed: false), bias, rows) : null;
        if (DecodeLinear.Of(module.DecodeMatrix, module.Bias, rows) is not { } plain) return null;
        if (here.Rows is { } groups) return groups.ForDecoding(this, rows, pass.State.KeepsFolded) is { } updates ? plain with { Updates = updates } : null;
        if (here.Layers.Length == 0) return plain;
        return UpdateOf(here.Layers, rows) is { } update && DecodeUpdate.Of(update, null, rows) is { } steps ? plain with { Updates = steps } : null;
    }

    /// <summary>The low-rank update of some rows with the given layers; null if they are something else, or if folding them is cheaper.</summary>
    public LowRankUpdate? UpdateOf(ReadOnlySpan<AdapterLayer> stack, int rows)
        => FactorsOf(stack) is { } factors && !FoldingIsCheaper(stack, rows) ? factors : null;

    /// <summary>True if the kernels of decode steps add the given layers to the module's product, without computing factors in each step.</summary>
    public bool HasLowRankStep(ReadOnlySpan<AdapterLayer> stack)
    {
        using var scope = NewDisposeScope();
        return TorchRuntime.Cpu.LowRankProducts && FactorsOf(stack) is { A: TorchSharp.Modules.Parameter, B: TorchSharp.Modules.Parameter } factors && LowRankStep.Supports(factors.A, factors.B);
    }

    private Tensor Apply(Tensor input, Weights weights) => Target.Apply(input, weights.Weight, weights.Bias);

    // The base bias, which merging keeps.
    private Tensor? BaseBias() => Target.Bias is { } bias ? model.BaseOf(new ParameterStorage(bias)).Read() : null;

    /// <summary>Computes the output of the module with the given layers around it, the first innermost.</summary>
    public Tensor Forward(ReadOnlySpan<AdapterLayer> stack, Tensor input, Tensor? output)
    {
        if (stack.IsEmpty && output is null) return new Inner(this, stack, input, output).Forward(input);
        using var scope = NewDisposeScope();
        var folds = FoldingIsCheaper(stack, is_grad_enabled() ? null : Target.Positions(input));
        if ((folds || output is null) && Factored(stack, input, folds) is { } product) return product.MoveToOuterDisposeScope();
        if (!folds) return new Inner(this, stack, input, output).Forward(input).MoveToOuterDisposeScope();
        if (IsRecomputed && Target.IsProduct && TensorMemory.Supports(input)) return LinearStep.Run(new PlainInput(), [input.contiguous()], null, FoldedProductOf(stack.ToArray())!)[0].MoveToOuterDisposeScope();
        var weights = Fold(stack);
        return Target.Apply(input, weights.Weight, weights.Bias).MoveToOuterDisposeScope();
    }

    // A single low-rank update, as one node of the autograd graph if gradients are needed.
    private Tensor? Factored(ReadOnlySpan<AdapterLayer> stack, Tensor input, bool folds)
    {
        if (LowRankOf(stack) is not var (factors, dropout)) return null;
        if (!folds && dropout == 0 && Target.Positions(input) <= LowRankStep.MostRows && LowRankStep.Supports(input, factors.A, factors.B)) return Stepped(input, factors);
        if (!TensorMemory.Supports(input)) return null;
        if (TensorMemory.RequiresGrad(input, factors.A, factors.B)) return ProductOf(factors, dropout, folds) is { } product ? LinearStep.Run(new PlainInput(), [input.contiguous()], null, product)[0] : null;
        return !folds && LowRankProductOf(factors, dropout) is { } update ? update.Add(Target.Apply(input).contiguous(), input.contiguous()) : null;
    }

    // Null if values of the input are dropped.
    private LowRankUpdate? FactorsOf(ReadOnlySpan<AdapterLayer> stack) => LowRankOf(stack) is (var factors, 0) ? factors : null;

    private (LowRankUpdate Factors, double Dropout)? LowRankOf(ReadOnlySpan<AdapterLayer> stack)
    {
        if (stack.Length != 1 || !Target.IsProduct || stack[0] is not ILowRank { IsLowRank: true } layer) return null;
        var dropout = (stack[0] as DeltaLayer)?.Dropping ?? 0;
        return dropout > 0 || stack[0].CostPerPosition > 0 ? (layer.Factors(), dropout) : null;
    }

    private NodeProduct? ProductOf(LowRankUpdate factors, double dropout, bool folds)
    {
        if (!folds) return LowRankProductOf(factors, dropout);
        return Target.Storage.Parameter is { } stored ? FactoredProduct.Of(MatrixOf(stored), Target.Bias, factors.A, factors.B, factors.Scale) : null;
    }

    // A product with folded weights: torch differentiates what computes them.
    private NodeProduct? FoldedProductOf(AdapterLayer[] stack)
    {
        if (IsRecomputed) return new FoldedProduct(() => Fold(stack), Target.Device);
        var (weight, bias) = Fold(stack);
        return TrainedProduct.Of(weight.AsContiguous(), isTransposed: false, bias?.AsContiguous());
    }

    // A product with W, or with W and a low-rank update, whose inputs or outputs a layer scales.
    private ScaledProduct? ScaledProductOf(AdapterLayer[] stack)
    {
        if (stack is not [.. var enclosed, IScales scaling]) return null;
        var update = LowRankOf(enclosed);
        NodeProduct? inner = enclosed.Length == 0 ? PlainProduct.Of(Matrix(), null) : update is var (factors, dropout) ? LowRankProduct.Of(Matrix(), null, factors.A, factors.B, factors.Scale, dropout) : null;
        return inner is null ? null : ScaledProduct.Of(inner, scaling.Scales(update?.Factors));
    }

    // True if folded weights are computed again in the backward pass. Small ones need little memory.
    private bool IsRecomputed => is_grad_enabled() && DirectGradients.AreExpected && Target is { ComputeType: ScalarType.Float32, Device.type: DeviceType.CPU } && !SmallMatrix.Supports(Target.In, Target.Out);

    /// <summary>Bytes of the weights that a training pass computes by folding layers into them; 0 if it uses the layers as they are.</summary>
    public long FoldedBytes(ReadOnlySpan<AdapterLayer> stack) => stack is not [FullLayer] && FoldingIsCheaper(stack, null) ? (long)Target.In * Target.Out * sizeof(float) : 0;

    private LowRankProduct? LowRankProductOf(LowRankUpdate factors, double dropout = 0) => LowRankProduct.Of(Matrix(), Target.Bias, factors.A, factors.B, factors.Scale, dropout);

    private FrozenMatrix Matrix() => Target.Storage.Parameter is { } stored ? new(MatrixOf(stored)) : new(null, Target.Storage, Target.IsStoredTransposed);

    // The parameter itself rather than a view of it, where possible: torch need not save it for the backward pass (NodeMemory).
    private Tensor MatrixOf(TorchSharp.Modules.Parameter stored) => Target.IsStoredTransposed ? Target.ToMatrix(stored) : stored;

    /// <summary>The module with its adapters as a product of a step; null if it is something else.</summary>
    /// <param name="rows">Number of rows.</param>
    public NodeProduct? AsProduct(long rows)
    {
        Reached = true;
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (NeedsCall(pass, here) || here.Rows is not null || !Target.IsProduct) return null;
        if (here.Layers.Length == 0) return PlainProduct.Of(Matrix(), Target.Bias);
        if (here.Layers is [FullLayer full]) return full.AsProduct();
        if (pass.State.KeepsFolded && !is_grad_enabled()) return here.Folded(this) is var (weight, bias) ? PlainProduct.Of(new(weight), bias) : null;
        var folds = FoldingIsCheaper(here.Layers, is_grad_enabled() ? null : rows);
        if (LowRankOf(here.Layers) is var (factors, dropout) && ProductOf(factors, dropout, folds) is { } product) return product;
        return folds ? FoldedProductOf(here.Layers) : ScaledProductOf(here.Layers);
    }

    /// <summary>The weight that takes the place of the module's, or the module's own without adapters; null if they do something else.</summary>
    public WeightStorage? OnlyWeight()
    {
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (NeedsCall(pass, here) || here.Rows is not null || Target.IsStoredTransposed) return null;
        Reached = true;
        if (here.Layers.Length == 0) return Target.Storage;
        return here.Layers is [FullLayer { Weight: { } weight }] && weight.dtype == Target.ComputeType ? new ParameterStorage(weight) : null;
    }

    /// <summary>The normalization with its adapters as a step; null if it is something else.</summary>
    /// <param name="module">The module.</param>
    public NodeInput? AsNormInput(AdaptableModule module)
    {
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (NeedsCall(pass, here) || here.Rows is not null || Target.Storage.Parameter is not { } stored) return null;
        var (weight, bias) = here.Layers is [FullLayer full] ? (full.Weight, full.Bias) : default;
        if (here.Layers.Length > 0 && weight is null && bias is null) return null;
        Reached = true;
        return module.AsNormInput(weight ?? stored, bias ?? Target.Bias);
    }

    // True if kernels must not replace the call of the module.
    private static bool NeedsCall(PassUse pass, SiteState here) => pass.IsOwn || ForwardPass.Current.IsPreliminary || pass.State.Draft.Observer is not null || here.UsesBaseWeights;

    // The few rows of a decode step.
    private Tensor Stepped(Tensor input, LowRankUpdate factors)
    {
        var output = Target.Apply(input).contiguous();
        LowRankStep.Add(output, input, factors.A, factors.B, factors.Scale);
        return output;
    }

    /// <summary>Folds the given layers into the module's weights, in float32 if the module is in float16 or bfloat16.</summary>
    public Weights Fold(ReadOnlySpan<AdapterLayer> stack)
    {
        return Fold(Target, stack, new Weights(Wide(Target.ReadMatrix()), Target.Bias is { } bias ? Wide(bias) : null));
    }

    /// <summary>Folds the given layers into weights, the first innermost.</summary>
    public static Weights Fold(Target target, ReadOnlySpan<AdapterLayer> stack, Weights weights)
    {
        foreach (var layer in stack) weights = layer.Merge(weights) ?? throw NotMergeableException.For(target, layer);
        return weights;
    }

    private static Tensor Wide(Tensor tensor)
        => IsNarrow(tensor.dtype) ? tensor.to_type(ScalarType.Float32) : tensor.alias();

    internal static bool IsNarrow(ScalarType type) => type is ScalarType.Float16 or ScalarType.BFloat16;

    // In training, folding costs the gradient of a full weight matrix per position, whereas factors cost three times their own size
    // (forward and twice backward), and thin products run at about half the speed of square ones. Without gradients, folding costs
    // computing the matrix, about 16 multiplications per element, whereas factors cost their size for each position, with LowRankProduct a quarter of that. 16-bit weights
    // are never folded, since rounding would lose small updates. In training (without a number of positions), neither are weights that are not parameters, since the graph would keep their values.
    private bool FoldingIsCheaper(ReadOnlySpan<AdapterLayer> stack, long? positions)
    {
        if (stack.IsEmpty || IsNarrow(Target.ComputeType) || (positions is null && Target.Storage.Parameter is null) || LayersAreCheap(stack)) return false;
        var cost = 0.0;
        foreach (var layer in stack)
        {
            if (layer.CostPerPosition == 0) return false;
            cost += layer.CostPerPosition;
        }
        var size = (double)Target.In * Target.Out;
        if (positions is null) return cost * 6 >= size;
        return cost * positions >= size * 16 && (cost * positions >= size * 64 || !HasLowRankProduct(stack));
    }

    private bool HasLowRankProduct(ReadOnlySpan<AdapterLayer> stack)
    {
        using var scope = NewDisposeScope();
        return FactorsOf(stack) is { } factors && LowRankProductOf(factors) is not null;
    }

    // For a weight that is not a parameter: folded values would take the memory that it saves, and its own products are cheaper.
    private bool LayersAreCheap(ReadOnlySpan<AdapterLayer> stack)
    {
        if (Target.Storage.Parameter is not null) return false;
        foreach (var layer in stack)
            if (layer.CostPerPosition is var cost && !(cost > 0 && cost < (double)Target.In * Target.Out)) return false;
        return true;
    }

    /// <summary>Attaches the site to the module.</summary>
    /// <exception cref="PeftException">Adapters cannot be attached to the module.</exception>
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
                    output.Dispose();   // the hook replaces it, and nothing else refers to it
                    return adapted;
                });
                return () => hook.remove();
            default:
                throw new PeftException($"{Target} does not map one tensor to one tensor, so adapters cannot be attached to it.");
        }
    }

    private Tensor? AdaptedValue()
    {
        Reached = true;
        using var pass = model.UsePass();
        var here = pass.State.At(this);
        if (here.UsesBaseWeights) return model.BaseOf(Target.Storage).Read();
        if (here.Layers.Length == 0 || ForwardPass.Current.IsPreliminary) return null;
        using var scope = NewDisposeScope();
        return Target.ToStored(Fold(here.Layers).Weight).to_type(Target.ComputeType).MoveToOuterDisposeScope();
    }

    /// <summary>Detaches from the module and restores it.</summary>
    public void Dispose()
    {
        detach?.Invoke();
        detach = null;
    }
}
