using System.Runtime.InteropServices;
using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Modules;

/// <summary>
/// A module with one weight and an optional bias. Adapters are attached through <see cref="Site"/> instead of a hook, so that an adapter that
/// replaces the weight avoids the base product. Other modules are adapted through hooks.
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

    // A program often creates its first tensor here, and TorchSharp's error would not name the cause.
    private static string Name()
    {
        TorchRuntime.Require();
        return "";
    }

    private static Tensor Empty(ReadOnlySpan<long> shape, ScalarType? dtype, Device? device)
    {
        if (dtype is { } type and not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64)) throw new ArgumentException($"A module's parameters must have a floating-point dtype, but the dtype is {type}.", nameof(dtype));
        MemoryBudget.Require(shape, dtype, device);
        return empty(shape, dtype, device);
    }

    private static Parameter Owned(Tensor value)
    {
        var parameter = new Parameter(value);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    // The fields must have the registered names: TorchSharp assigns the new parameters to them when a module changes dtype or device.
#pragma warning disable IDE1006, IDE0044
    private Parameter weight;
    private Parameter? bias;
    private AdaptableModule? tiedTo;
    private bool biasIsTied;
    private WeightStorage? storage;
#pragma warning restore IDE1006, IDE0044
    private readonly List<AdaptableModule> tiedModules = [];   // the modules that are tied to this one

    /// <summary>The weight, in its shape in the checkpoint.</summary>
    /// <exception cref="PeftException">The weight is not a parameter but stored in another form (<see cref="Storage"/>).</exception>
    public Parameter Weight => Storage.Parameter ?? throw new PeftException($"The weight of this {GetType().Name} is stored as {Storage.GetType().Name}, not as a parameter: read its values with {nameof(Storage)}.{nameof(WeightStorage.Read)}().");

    /// <summary>The weight in any form.</summary>
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

    /// <summary>Multiplies by a stored matrix and adds the bias. In evaluation, the inputs are quantized if the storage quantizes them.</summary>
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
    internal DecodeLinear? ForDecoding(int rows) => Site is { } site ? site.ForDecoding(this, rows) : DecodeLinear.Of(DecodeMatrix, Bias, rows);

    /// <summary>The weight as a matrix of a step; null if the module is not a product.</summary>
    internal virtual FrozenMatrix? FrozenMatrix => null;

    /// <summary>The normalization of a float32 value on the CPU in a step; null if the kernels do not support it, or if the module is not a normalization.</summary>
    internal NodeInput? AsNormInput() => Site is { } site ? site.AsNormInput(this) : Storage.Parameter is { } parameter ? AsNormInput(parameter, Bias) : null;

    /// <summary>The normalization with another weight and bias, likewise.</summary>
    internal virtual NodeInput? AsNormInput(Tensor weight, Tensor? bias) => null;

    /// <summary>The module with its adapters as a product of a step; null if the kernels do not support it.</summary>
    /// <param name="rows">Number of rows.</param>
    internal NodeProduct? AsProduct(long rows) => !is_grad_enabled() && QuantizesInputs ? null : Site is { } site ? site.AsProduct(rows) : FrozenMatrix is { } matrix ? ProductOf(matrix) : null;

    private NodeProduct? ProductOf(FrozenMatrix matrix) => (NodeProduct?)PlainProduct.Of(matrix, Bias) ?? (Storage.Parameter is { } parameter ? TrainedProduct.Of(parameter, matrix.IsTransposed, Bias) : null);

    /// <summary>The weight, if the module is nothing but a product with it: without a bias, and without adapters but those that replace it. Null otherwise.</summary>
    internal WeightStorage? OnlyWeight => Bias is not null ? null : Site is { } site ? site.OnlyWeight() : Storage;

    // In evaluation, without gradients.
    private bool QuantizesInputs => !training && Storage is IQuantizesInputs { QuantizesInputs: true };

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
            if (each == this) throw new ArgumentException("A module cannot be tied to itself or to a module that is tied to it.", nameof(owner));
        if (tiedTo is null && storage is null) weight.Dispose();
        tiedTo?.tiedModules.Remove(this);
        tiedTo = owner;
        owner.tiedModules.Add(this);
        Follow();
    }

    // Registers the other module's parameter, if its weight is one, under this module's name. Registering a name twice would throw.
    private void Follow()
    {
        if (tiedTo!.Storage.Parameter is { } parameter) ModuleInternals.Parameters(this)["weight"] = parameter;
        else UnlistWeight();
        LetFollow();
    }

    private void UnlistWeight()
    {
        var parameters = ModuleInternals.Parameters(this);
        if (parameters.TryGetValue("weight", out _)) parameters.Remove("weight");   // unlike that of .NET, it throws if the key is missing
    }

    private void LetFollow()
    {
        foreach (var each in tiedModules) each.Follow();
    }

    /// <summary>Ties the weight, as <see cref="TieWeight"/> does, and also the bias if there is one.</summary>
    internal void TieTo(AdaptableModule owner)
    {
        TieWeight(owner);
        if (bias is null) return;
        bias.Dispose();
        biasIsTied = true;
        ModuleInternals.Parameters(this)["bias"] = owner.Bias!;
    }

    /// <summary>Unregisters another module's parameters before this module is disposed, which would dispose them.</summary>
    internal void Untie()
    {
        if (tiedTo is not null) UnlistWeight();
        if (biasIsTied) ModuleInternals.Parameters(this).Remove("bias");
    }

    /// <summary>Replaces the module's weight and bias by tensors of any shape. A bias that is tied to this one must be tied again.</summary>
    internal void Replace(Tensor newWeight, Tensor? newBias = null)
    {
        weight = Register("weight", weight, newWeight);
        LetFollow();
        if (bias is not null && newBias is not null) bias = Register("bias", bias, newBias);
    }

    /// <summary>Replaces the module's bias by a tensor of any shape.</summary>
    internal void ReplaceBias(Tensor newBias) => bias = Register("bias", bias!, newBias);

    /// <summary>Stores the weight in another form than a parameter. The parameter is disposed and unregistered.</summary>
    /// <exception cref="ArgumentException">The stored weight has another shape.</exception>
    /// <exception cref="PeftException">The weight belongs to another module (<see cref="TieWeight"/>), or adapters are attached.</exception>
    public void Store(WeightStorage values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values is ParameterStorage) throw new ArgumentException("The values are those of a parameter: Store is for weights in another form.", nameof(values));
        if (tiedTo is not null) throw new PeftException($"The weight of this {GetType().Name} belongs to the module to which it is tied: store the weight of that module.");
        if (IsAdapted) throw new PeftException($"This {GetType().Name} has adapters: store its weight before you add them.");
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

    /// <summary>Uses another weight; null uses the parameter again, which is kept.</summary>
    internal void Try(WeightStorage? values) => storage = values;

    /// <summary>Stores the weight as a parameter again, with given values. Adapters are not affected.</summary>
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

    /// <summary>True if the weight belongs to another module.</summary>
    internal bool IsTied => tiedTo is not null;

    /// <summary>True if the module's own weight is not a parameter.</summary>
    internal bool IsStored => tiedTo is null && storage is not null;

    /// <summary>True if the module was disposed.</summary>
    internal bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !IsDisposed && tiedTo is null) storage?.Release();
        if (disposing) tiedTo?.tiedModules.Remove(this);
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
