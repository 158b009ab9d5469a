using Peft.Kernels;
using Peft.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>One adapted module: its adapters by name, which are active, and how they attach.</summary>
internal sealed class AdapterSite : IDisposable
{
    private readonly Dictionary<string, AdapterLayer[]> layers = [];
    private Action? detach;
    private AdapterLayer[] active = [];
    private RowGroups? rows;
    private Weights? folded;
    private int keepers;

    public AdapterSite(Target target)
    {
        Target = target;
        detach = Attach();
    }

    public Target Target { get; }

    /// <summary>Whether any forward pass has come by.</summary>
    public bool Reached { get; private set; }

    /// <summary>Called with each input of the module while initialisation from data looks on.</summary>
    public Action<Tensor>? Observer { get; set; }

    /// <summary>Whether the active adapters are in the module's weight at present.</summary>
    public bool IsMerged { get; set; }

    public IReadOnlyDictionary<string, AdapterLayer[]> Layers => layers;

    public ReadOnlySpan<AdapterLayer> Active => active;

    public void Add(string adapter, AdapterLayer[] added) => layers.Add(adapter, added);

    public void Remove(string adapter) => layers.Remove(adapter);

    public void Rename(string from, string to)
    {
        if (layers.Remove(from, out var moved)) layers.Add(to, moved);
    }

    /// <summary>Makes adapters active, the first innermost.</summary>
    public void Activate(Composition? adapters)
    {
        active = [.. adapters?.At(Target, name => layers.GetValueOrDefault(name) ?? []) ?? []];
        rows = null;
        ForgetFolded();
    }

    /// <summary>Gives each row of the batch an adapter of its own; null ends that.</summary>
    public void ActivatePerRow(IReadOnlyList<string?>? adapters)
        => rows = adapters is null ? null
            : Target.IsParameter ? throw new PeftException($"{Target} has one value for the whole batch, so rows cannot have adapters of their own. Run the rows apart.")
            : new RowGroups(Target.Path, adapters, name => name is null ? [] : Stack([name]));

    public AdapterLayer[] Stack(IEnumerable<string> adapters) => [.. adapters.SelectMany(name => layers.GetValueOrDefault(name) ?? [])];

    /// <summary>The module's output with its adapters.</summary>
    /// <param name="input">The module's input.</param>
    /// <param name="output">Its own output, where that is known already (behind a hook).</param>
    public Tensor Forward(Tensor input, Tensor? output = null)
    {
        Reached = true;
        if (FirstPass.IsRunning) return Forward(active.Length == 0 ? [] : [.. active.Where(layer => layer.ActsInFirstPass)], input, output);
        Observer?.Invoke(input);
        if (rows is not null) return rows.Forward(this, input);
        if (keepers > 0 && !IsMerged && active.Length > 0 && !is_grad_enabled())
        {
            var (weight, bias) = KeptFold();
            return Target.Apply(input, weight, bias);
        }
        return Forward(IsMerged ? [] : active, input, output);
    }

    /// <summary>Keeps the folded weights from the first pass without gradients on, until as many calls of <see cref="ReleaseFolded"/>.</summary>
    public void KeepFolded() => Interlocked.Increment(ref keepers);

    public void ReleaseFolded()
    {
        if (Interlocked.Decrement(ref keepers) == 0) ForgetFolded();
    }

    private Weights KeptFold()
    {
        lock (layers)
        {
            if (folded is not null) return folded;
            using var scope = NewDisposeScope();
            var (weight, bias) = Fold(active);
            // What is the module's own stays the module's.
            folded = new Weights(weight.clone().DetachFromDisposeScope(), bias?.clone().DetachFromDisposeScope());
            return folded;
        }
    }

    private void ForgetFolded()
    {
        lock (layers)
        {
            folded?.Weight.Dispose();
            folded?.Bias?.Dispose();
            folded = null;
        }
    }

    /// <summary>The output with the given layers around the module, the first innermost.</summary>
    public Tensor Forward(ReadOnlySpan<AdapterLayer> stack, Tensor input, Tensor? output)
    {
        if (stack.IsEmpty && output is null) return new Inner(this, stack, input, output).Forward(input);
        using var scope = NewDisposeScope();
        if (!FoldingIsCheaper(stack, input)) return new Inner(this, stack, input, output).Forward(input).MoveToOuterDisposeScope();
        if (Factored(stack, input) is { } product) return product.MoveToOuterDisposeScope();
        var weights = Fold(stack);
        return Target.Apply(input, weights.Weight, weights.Bias).MoveToOuterDisposeScope();
    }

    // One low-rank update of a small matrix, in one node of the graph.
    private Tensor? Factored(ReadOnlySpan<AdapterLayer> stack, Tensor input)
    {
        if (stack.Length > 1 || !Target.IsProduct || stack[0] is not DeltaLayer { AsProduct: { } factors }) return null;
        var weight = Target.ToMatrix(Target.Weight);
        return FactoredProduct.Takes(input, weight, Target.Bias, factors.A, factors.B)
            ? FactoredProduct.Run(input, weight, Target.Bias, factors.A, factors.B, factors.Scale)
            : null;
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

    private Action Attach()
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
        if (IsMerged || active.Length == 0 || FirstPass.IsRunning) return null;
        using var scope = NewDisposeScope();
        return Target.ToStored(Fold(active).Weight).to_type(Target.Weight.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Detaches from the module, which is then as it was.</summary>
    public void Dispose()
    {
        detach?.Invoke();
        detach = null;
        ForgetFolded();
    }
}
