using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Owns the tensors of an adapter by their saved names. Saving, freezing and counting are based on this list.</summary>
public abstract class TensorOwner : IDisposable
{
    private readonly List<AdapterTensor> tensors = [];
    private readonly List<nn.Module> modules = [];

    /// <summary>Creates an owner with the dtype and device of its tensors.</summary>
    private protected TensorOwner(ScalarType type, Device device)
    {
        TensorType = type is ScalarType.Float16 or ScalarType.BFloat16 ? ScalarType.Float32 : type;
        Device = device;
    }

    /// <summary>All tensors, in the order of their registration.</summary>
    public IReadOnlyList<AdapterTensor> Tensors => tensors;

    /// <summary>Dtype of the tensors: that of the model, but float32 for a 16-bit model, since small updates would be lost.</summary>
    protected ScalarType TensorType { get; }

    /// <summary>Device of the tensors when they are created.</summary>
    protected Device Device { get; }

    /// <summary>Registers a trainable tensor with its name, shape and initial value.</summary>
    /// <param name="name">Name of the tensor in the saved file.</param>
    /// <param name="initial">Initial value; the owner takes ownership.</param>
    /// <param name="saved">True if the adapter's file contains the tensor.</param>
    protected Parameter Trainable(string name, Tensor initial, bool saved = true) => Register(name, initial, trainable: true, saved);

    /// <summary>Takes ownership of a module and registers its parameters as trainable. The file does not contain them.</summary>
    /// <param name="name">Prefix of the parameters' names.</param>
    /// <param name="module">The module; it is disposed with this owner.</param>
    protected void Adopt(string name, nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        modules.Add(module);
        foreach (var (own, parameter) in module.named_parameters())
        {
            parameter.DetachFromDisposeScope();
            tensors.Add(new AdapterTensor($"{name}.{own}", parameter, IsTrainable: true, IsSaved: false, IsShared: false));
        }
    }

    /// <summary>Registers a tensor that is not trained.</summary>
    /// <param name="name">Name of the tensor in the saved file.</param>
    /// <param name="value">The value; the owner takes ownership.</param>
    /// <param name="saved">True if the adapter's file contains the tensor.</param>
    protected Parameter Frozen(string name, Tensor value, bool saved = true) => Register(name, value, trainable: false, saved);

    /// <summary>Registers a tensor that training changes without a gradient, such as a statistic. Training checkpoints contain it.</summary>
    /// <param name="name">A name that is unique within the owner.</param>
    /// <param name="initial">Initial value; the owner takes ownership.</param>
    /// <param name="saved">True if the adapter's file also contains the tensor.</param>
    protected Parameter State(string name, Tensor initial, bool saved = false)
    {
        var parameter = Register(name, initial, trainable: false, saved);
        tensors[^1] = tensors[^1] with { IsState = true };
        return parameter;
    }

    /// <summary>Returns the saved form of a tensor: its value, unless a method saves another form.</summary>
    protected internal virtual Tensor ToSaved(AdapterTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.Value.detach();
    }

    /// <summary>Called after the saved tensors have been loaded, to update everything that depends on them.</summary>
    protected internal virtual void Loaded() { }

    /// <summary>Also registers another owner's tensor as a tensor of this owner (tied weights).</summary>
    protected Parameter Shared(string name, Parameter value, bool saved)
    {
        tensors.Add(new AdapterTensor(name, value, IsTrainable: false, saved, IsShared: true));
        return value;
    }

    /// <summary>Creates a tensor of zeros.</summary>
    protected Tensor Zeros(params long[] shape) => zeros(Allowed(shape), TensorType, Device);

    /// <summary>Creates a tensor of ones.</summary>
    protected Tensor Ones(params long[] shape) => ones(Allowed(shape), TensorType, Device);

    /// <summary>Creates a tensor of normally distributed values with the given standard deviation.</summary>
    protected Tensor Normal(double deviation, params long[] shape) => empty(Allowed(shape), TensorType, Device).normal_(0, deviation);

    /// <summary>Creates a tensor of uniformly distributed values between ±bound.</summary>
    protected Tensor Uniform(double bound, params long[] shape) => empty(Allowed(shape), TensorType, Device).uniform_(-bound, bound);

    /// <summary>Creates a tensor of values uniform on ±1/√fan-in: Kaiming initialization with a = √5, the default of a Linear. Fan-in is the product of all dimensions except the first.</summary>
    protected Tensor KaimingUniform(params long[] shape)
        => Uniform(1 / Math.Sqrt(shape[1..].Aggregate(1L, (a, b) => a * b)), shape);

    /// <summary>True if the model's tensors have values. On the meta device they have only shapes, which suffices to plan an adapter and to count its parameters.</summary>
    protected bool HasValues => Device.type != DeviceType.META;

    /// <summary>Computes an initial value from other values, such as the module's weight. Returns an empty tensor if the model has no values.</summary>
    /// <param name="initial">Computes the initial value.</param>
    /// <param name="shape">Shape of the tensor.</param>
    protected Tensor Computed(Func<Tensor> initial, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(initial);
        Allowed(shape);
        return HasValues ? initial() : empty(shape, TensorType, Device);
    }

    private long[] Allowed(params long[] shape) => TensorBudget.Take(shape, TensorType, Device);

    /// <summary>Marks a tensor as trainable or frozen.</summary>
    protected void SetTrainable(Parameter parameter, bool trainable)
    {
        var index = tensors.FindIndex(tensor => ReferenceEquals(tensor.Value, parameter));
        tensors[index] = tensors[index] with { IsTrainable = trainable };
        parameter.requires_grad = trainable;
        if (!trainable) parameter.grad = null;
    }

    /// <summary>Replaces the value of a tensor. The shape may change (another rank).</summary>
    protected internal static void Replace(Parameter parameter, Tensor value)
    {
        using var _ = NewDisposeScope();
        using var __ = no_grad();
        parameter.set_(value.detach().to(parameter.dtype, parameter.device, copy: true).contiguous());
    }

    private Parameter Register(string name, Tensor value, bool trainable, bool saved)
    {
        if (value.is_floating_point() && value.dtype != TensorType)
        {
            var cast = value.to_type(TensorType);
            value.Dispose();
            value = cast;
        }
        var parameter = new Parameter(value, requires_grad: trainable);
        parameter.DetachFromDisposeScope();   // adapters outlive the dispose scope in which they are created
        tensors.Add(new AdapterTensor(name, parameter, trainable, saved, IsShared: false));
        return parameter;
    }

    /// <summary>Disposes the tensors of this owner.</summary>
    public void Dispose()
    {
        foreach (var tensor in tensors.Where(t => !t.IsShared)) tensor.Value.Dispose();
        foreach (var module in modules) module.Dispose();
        tensors.Clear();
        modules.Clear();
        GC.SuppressFinalize(this);
    }
}
