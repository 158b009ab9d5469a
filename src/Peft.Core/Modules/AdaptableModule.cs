using System.Runtime.InteropServices;
using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>
/// A module with one weight and an optional bias. Adapters are attached by <see cref="Site"/> instead of a hook, so that an adapter that
/// replaces the weight avoids the base product. Other modules are adapted by hooks.
/// </summary>
/// <remarks>Parameters are allocated uninitialized; load them from a checkpoint, or initialize them with <see cref="nn.init"/>.</remarks>
public abstract class AdaptableModule : nn.Module<Tensor, Tensor>
{
    /// <summary>Registers the parameters under Hugging Face's names, <c>weight</c> and <c>bias</c>.</summary>
    /// <param name="weight">Shape of the weight.</param>
    /// <param name="bias">Length of the bias; null for none.</param>
    /// <param name="dtype">Dtype of the parameters; the default dtype if null.</param>
    /// <param name="device">Device of the parameters; the default device if null.</param>
    protected AdaptableModule(ReadOnlySpan<long> weight, long? bias, ScalarType? dtype, Device? device) : base(Name())
    {
        this.weight = Owned(Empty(weight, dtype, device));
        if (bias is { } length) this.bias = Owned(Empty([length], dtype, device));
        RegisterComponents();
    }

    // A program often creates its first tensor here, and TorchSharp's own error would not name the cause.
    private static string Name()
    {
        TorchRuntime.Require();
        return "";
    }

    private static Tensor Empty(ReadOnlySpan<long> shape, ScalarType? dtype, Device? device)
    {
        if (dtype is { } type and not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64)) throw new ArgumentException($"A module's parameters must be floating-point numbers, but the dtype is {type}.", nameof(dtype));
        MemoryBudget.Require(shape, dtype, device);
        return empty(shape, dtype, device);
    }

    private static Parameter Owned(Tensor value)
    {
        var parameter = new Parameter(value);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    // The fields have the registered names: TorchSharp assigns the new parameter to them when a module changes dtype or device.
#pragma warning disable IDE1006, IDE0044
    private Parameter weight;
    private Parameter? bias;
    private AdaptableModule? tiedTo;
    private bool biasIsTied;
    private WeightStorage? storage;
#pragma warning restore IDE1006, IDE0044
    private readonly List<AdaptableModule> followers = [];   // the modules that are tied to this one

    /// <summary>The weight, in its shape in the checkpoint.</summary>
    /// <exception cref="PeftException">The weight is not a parameter: its values are held in another form (<see cref="Storage"/>).</exception>
    public Parameter Weight => Storage.Parameter ?? throw new PeftException($"The weight of this {GetType().Name} is held as {Storage.GetType().Name}, not as a parameter: read its values by {nameof(Storage)}.{nameof(WeightStorage.Read)}().");

    /// <summary>The weight, however its values are held.</summary>
    public WeightStorage Storage => tiedTo?.Storage ?? storage ?? new ParameterStorage(weight);

    /// <summary>The bias, or null.</summary>
    public Parameter? Bias => biasIsTied ? tiedTo!.Bias : bias;

    /// <summary>The attached adapters; null if there are none.</summary>
    internal AdapterSite? Site { get; set; }

    /// <summary>True if adapters are attached. The output then depends on more than the weight.</summary>
    public bool IsAdapted => Site is not null;

    /// <summary>Applies the module's operation with another weight and bias of the same shapes.</summary>
    public abstract Tensor Apply(Tensor input, Tensor weight, Tensor? bias);

    /// <summary>Applies the module's operation with a stored weight.</summary>
    internal virtual Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias)
    {
        if (weight.Parameter is { } parameter) return Apply(input, parameter, bias);
        using var values = weight.Read();
        return Apply(input, values, bias);
    }

    /// <summary>The product with a stored matrix, plus the bias. In evaluation, the inputs are quantized if the storage does so.</summary>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="weight">The stored weight.</param>
    /// <param name="bias"><c>[out]</c>, or null.</param>
    /// <param name="transposed">True if the weight is stored as <c>[in, out]</c>.</param>
    private protected Tensor Product(Tensor input, WeightStorage weight, Tensor? bias, bool transposed)
    {
        var output = !training && !is_grad_enabled() && weight is IQuantizesInputs { QuantizesInputs: true } own ? own.MultiplyQuantized(input)
            : transposed ? weight.MultiplyTransposed(input) : weight.Multiply(input);
        return bias is null ? output : output.add_(bias, One);
    }

    /// <summary>The weight as a decode step reads it; null if the kernels do not support it, or if the module is not a product.</summary>
    internal virtual DecodeMatrix? DecodeMatrix => null;

    /// <summary>The normalization as a decode step computes it; null if the kernel does not support it, or if the module is not one.</summary>
    internal virtual DecodeNorm? DecodeNorm => null;

    /// <summary>The module with its adapters in a decode step; null if the kernels do not support them.</summary>
    /// <param name="rows">Number of rows.</param>
    internal DecodeLinear? ForDecoding(int rows) => Site is { } site ? site.ForDecoding(this, rows) : DecodeLinear.Of(DecodeMatrix, Bias);

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    public sealed override Tensor forward(Tensor input)
    {
        TensorRules.RequireAlive(input, nameof(input));
        try
        {
            return Site is { } site ? site.Forward(input) : Apply(input, Storage, Bias);
        }
        catch (ExternalException error)
        {
            throw NativeError.Explain(error, $"{GetType().Name} with the weight {Storage.ComputeType} [{string.Join(", ", Storage.Shape)}]", input);
        }
    }

    /// <summary>
    /// Ties this module's weight to that of another module (tied embeddings), even if the model later changes dtype or device. The module's
    /// own weight is disposed. The other module must precede this one in the model.
    /// </summary>
    public void TieWeight(AdaptableModule owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        for (var each = owner; each is not null; each = each.tiedTo)
            if (each == this) throw new ArgumentException("A module cannot be tied to itself, nor to one that is tied to it.", nameof(owner));
        if (tiedTo is null && storage is null) weight.Dispose();
        tiedTo?.followers.Remove(this);
        tiedTo = owner;
        owner.followers.Add(this);
        Follow();
    }

    // Lists the parameter of the module that this one is tied to, if its weight is one. Registering the name a second time would throw.
    private void Follow()
    {
        if (tiedTo!.Storage.Parameter is { } parameter) ModuleInternals.Parameters(this)["weight"] = parameter;
        else UnlistWeight();
        LetFollow();
    }

    private void UnlistWeight()
    {
        var parameters = ModuleInternals.Parameters(this);
        if (parameters.TryGetValue("weight", out _)) parameters.Remove("weight");   // unlike .NET's, it throws if there is none
    }

    private void LetFollow()
    {
        foreach (var each in followers) each.Follow();
    }

    /// <summary>Ties the weight, as <see cref="TieWeight"/>, and also the bias if there is one.</summary>
    internal void TieTo(AdaptableModule owner)
    {
        TieWeight(owner);
        if (bias is null) return;
        bias.Dispose();
        biasIsTied = true;
        ModuleInternals.Parameters(this)["bias"] = owner.Bias!;
    }

    /// <summary>Removes another module's parameters before this module is disposed, which would dispose them.</summary>
    internal void Untie()
    {
        if (tiedTo is not null) UnlistWeight();
        if (biasIsTied) ModuleInternals.Parameters(this).Remove("bias");
    }

    /// <summary>Replaces the module's weight, and its bias if there is one, by tensors of any shape. A bias that is tied to this one must be tied again.</summary>
    internal void Replace(Tensor newWeight, Tensor? newBias = null)
    {
        weight = Register("weight", weight, newWeight);
        LetFollow();
        if (bias is not null && newBias is not null) bias = Register("bias", bias, newBias);
    }

    /// <summary>Replaces the module's bias by a tensor of any shape.</summary>
    internal void ReplaceBias(Tensor newBias) => bias = Register("bias", bias!, newBias);

    /// <summary>Holds the weight in another form than a parameter. The parameter is disposed, and the module no longer has it.</summary>
    /// <exception cref="ArgumentException">The stored weight has another shape.</exception>
    /// <exception cref="PeftException">The weight is that of another module (<see cref="TieWeight"/>), or adapters are attached.</exception>
    public void Store(WeightStorage values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values is ParameterStorage) throw new ArgumentException("The values belong to a parameter: Store is for weights in another form.", nameof(values));
        if (tiedTo is not null) throw new PeftException($"The weight of this {GetType().Name} is that of the module that it is tied to: store that one.");
        if (IsAdapted) throw new PeftException($"This {GetType().Name} has adapters: store its weight before they are added.");
        if (!values.Shape.SequenceEqual(Storage.Shape)) throw new ArgumentException($"The stored weight is [{string.Join(", ", values.Shape)}], but the module's is [{string.Join(", ", Storage.Shape)}].", nameof(values));
        if (storage is null)
        {
            ModuleInternals.Parameters(this).Remove("weight");
            weight.Dispose();
        }
        storage?.Release();
        storage = values;
        LetFollow();
    }

    /// <summary>Uses another weight, and the parameter, which is kept, again when null is given.</summary>
    internal void Try(WeightStorage? values) => storage = values;

    /// <summary>Holds the weight as a parameter again, with given values. No effect on its adapters.</summary>
    internal void Unstore(Tensor values)
    {
        var parameter = Owned(values.detach().contiguous());
        parameter.requires_grad = false;
        (weight, var released) = (parameter, storage!);
        ModuleInternals.Parameters(this)["weight"] = parameter;
        storage = null;
        LetFollow();
        released.Release();
    }

    /// <summary>True if the weight is that of another module.</summary>
    internal bool IsTied => tiedTo is not null;

    /// <summary>True if the module's own weight is not a parameter.</summary>
    internal bool IsStored => tiedTo is null && storage is not null;

    /// <summary>True if the module was disposed.</summary>
    internal bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !IsDisposed && tiedTo is null) storage?.Release();
        if (disposing) tiedTo?.followers.Remove(this);
        IsDisposed |= disposing;
        base.Dispose(disposing);
    }

    private Parameter Register(string name, Parameter old, Tensor value)
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
            storage?.Convert(dtype, device);
            return;
        }
        // The owner converts the weight, and the old one is already disposed.
        var parameters = ModuleInternals.Parameters(this);
        Untie();
        base._toEpilog(dtype, device, non_blocking);
        Follow();
        if (biasIsTied) parameters["bias"] = tiedTo.Bias!;
    }
}
