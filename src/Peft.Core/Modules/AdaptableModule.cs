using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>
/// A module of one weight and an optional bias that adapters enter through <see cref="Site"/>, without a hook: an adapter that
/// replaces the weight then saves the base product. Modules of other kinds are adapted through hooks.
/// </summary>
/// <remarks>Parameters are allocated uninitialised: a checkpoint or <see cref="nn.init"/> fills them.</remarks>
public abstract class AdaptableModule : nn.Module<Tensor, Tensor>
{
    /// <summary>Registers the parameters under Hugging Face's names, <c>weight</c> and <c>bias</c>.</summary>
    /// <param name="weight">Shape of the weight.</param>
    /// <param name="bias">Length of the bias; null for none.</param>
    /// <param name="dtype">Type of the numbers; the default type if null.</param>
    /// <param name="device">Where the parameters live; the default device if null.</param>
    protected AdaptableModule(ReadOnlySpan<long> weight, long? bias, ScalarType? dtype, Device? device) : base(Name())
    {
        this.weight = Owned(Empty(weight, dtype, device));
        if (bias is { } length) this.bias = Owned(Empty([length], dtype, device));
        RegisterComponents();
    }

    // The first tensor of a program is often made here, and TorchSharp's own error would not name the cause.
    private static string Name()
    {
        TorchRuntime.Require();
        return "";
    }

    private static Tensor Empty(ReadOnlySpan<long> shape, ScalarType? dtype, Device? device)
    {
        MemoryBudget.Require(shape, dtype, device);
        return empty(shape, dtype, device);
    }

    private static Parameter Owned(Tensor value)
    {
        var parameter = new Parameter(value);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    // Fields of the registered names, since that is where TorchSharp puts the new parameter when a module changes type or device.
#pragma warning disable IDE1006, IDE0044
    private Parameter weight;
    private Parameter? bias;
    private AdaptableModule? tiedTo;
    private bool biasIsTied;
#pragma warning restore IDE1006, IDE0044

    /// <summary>The weight in the shape that the checkpoint has.</summary>
    public Parameter Weight => tiedTo?.Weight ?? weight;

    /// <summary>The bias, or null.</summary>
    public Parameter? Bias => biasIsTied ? tiedTo!.Bias : bias;

    /// <summary>Where adapters are attached; null while there are none.</summary>
    internal AdapterSite? Site { get; set; }

    /// <summary>Whether adapters are attached: the output is then not that of the weight alone.</summary>
    public bool IsAdapted => Site is not null;

    /// <summary>The module's operation with another weight and bias of the same shapes.</summary>
    public abstract Tensor Apply(Tensor input, Tensor weight, Tensor? bias);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    public sealed override Tensor forward(Tensor input)
    {
        TensorRules.RequireAlive(input, nameof(input));
        try
        {
            return Site is { } site ? site.Forward(input) : Apply(input, Weight, Bias);
        }
        catch (ExternalException error)
        {
            throw NativeError.Explain(error, $"{GetType().Name} with the weight {TensorRules.Describe(Weight)}", input);
        }
    }

    /// <summary>
    /// Lets another module's weight stand for this one's (tied embeddings), also after the model changes type or device. The module's
    /// own weight is disposed. In the model, the other module must come first.
    /// </summary>
    public void TieWeight(AdaptableModule owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        for (var each = owner; each is not null; each = each.tiedTo)
            if (each == this) throw new ArgumentException("A module cannot be tied to itself, nor to one that is tied to it.", nameof(owner));
        if (tiedTo is null) weight.Dispose();
        tiedTo = owner;
        ModuleInternals.Parameters(this)["weight"] = owner.Weight;   // a second registration would be refused
    }

    /// <summary>As <see cref="TieWeight"/>, but the bias too, if there is one.</summary>
    internal void TieTo(AdaptableModule owner)
    {
        TieWeight(owner);
        if (bias is null) return;
        bias.Dispose();
        biasIsTied = true;
        ModuleInternals.Parameters(this)["bias"] = owner.Bias!;
    }

    /// <summary>Lets go of another module's parameters before this one is disposed, which would dispose them.</summary>
    internal void Untie()
    {
        if (tiedTo is not null) ModuleInternals.Parameters(this).Remove("weight");
        if (biasIsTied) ModuleInternals.Parameters(this).Remove("bias");
    }

    /// <summary>Puts another weight, and bias if there is one, in the place of the module's own, of any shape. Modules tied to this one must be tied anew.</summary>
    internal void Replace(Tensor newWeight, Tensor? newBias = null)
    {
        weight = Put("weight", weight, newWeight);
        if (bias is not null && newBias is not null) bias = Put("bias", bias, newBias);
    }

    private Parameter Put(string name, Parameter old, Tensor value)
    {
        var parameter = new Parameter(value, old.requires_grad);
        parameter.DetachFromDisposeScope();
        ModuleInternals.Parameters(this)[name] = parameter;
        old.Dispose();
        return parameter;
    }

    /// <inheritdoc/>
    protected override void _toEpilog(ScalarType? dtype, Device? device, bool non_blocking)
    {
        if (tiedTo is null)
        {
            base._toEpilog(dtype, device, non_blocking);
            return;
        }
        // The owner converts the weight, and the old one is gone by now.
        var parameters = ModuleInternals.Parameters(this);
        Untie();
        base._toEpilog(dtype, device, non_blocking);
        parameters["weight"] = tiedTo.Weight;
        if (biasIsTied) parameters["bias"] = tiedTo.Bias!;
    }
}
